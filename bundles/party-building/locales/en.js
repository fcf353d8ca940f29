export default {
  name: "Party Members' Home", place: "Qingshi village branch",
  sections: { today: "Today", study: "Study", meetings: "Meetings", points: "My points" },
  themeDay: "Theme day of the month", agenda: "Agenda", host: "Chair", where: "Place",
  minutes: (n) => `about ${n} minutes`, page: (n, of) => `Page ${n} of ${of}`, begin: "Begin", resume: "Go on", finished: "Finished",
  turn: "← → turn pages · Back leaves, and the page is remembered",
  kinds: { member: "Members' meeting", committee: "Committee", group: "Group meeting", lecture: "Lecture", theme: "Theme day" },
  rhythm: { member: "quarterly", committee: "monthly", group: "monthly", lecture: "quarterly", theme: "monthly" },
  next: "Coming", past: "Held", news: "From the branch",
  total: "Points this year", ledgerNote: "Points are only added; a correction is a reverse entry and the original stays.", rank: (n, of) => `No. ${n} of ${of} in the branch`, correction: "Reversed",
};
