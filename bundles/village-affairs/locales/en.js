export default {
  name: "Village Affairs",
  place: "Qingshi village committee",
  sections: { finance: "Accounts", notices: "Notices", matters: "Decisions", contacts: "Contacts" },
  opening: "Opening", income: "Income", spending: "Spending", closing: "Closing",
  balanced: "Adds up", off: (yuan) => `Off by ¥${yuan}`,
  balancedLong: "The box added every line again: opening + income − spending = closing, to the cent.",
  offLong: (yuan) => `Added up again, the closing balance is off by ¥${yuan}. Tell the supervisory committee.`,
  unsigned: "Awaiting counter-signature", unsignedLong: "The supervisory committee has not signed this month yet; its lines are shown once it has.",
  signed: (who) => `Counter-signed by the supervisory committee: ${who}`,
  date: "Date", item: "Item", amount: "Amount (¥)", voucher: "Voucher", unread: "New", read: "Read",
  steps: ["Branch proposes", "Committees discuss", "Members review", "Villagers decide", "Decision published", "Result published"],
  stepNow: "In progress", stepsDone: "Completed", call: "Phone", duty: "Hours",
};
