export default {
  name: "See the Doctor", place: "Qingshi clinic · family doctors",
  sections: { measure: "Pressure", doctor: "Doctors", classes: "Health class", help: "Call 120" },
  hidden: "Values are hidden", reveal: "Press OK to show them for 30 seconds", hideNow: "OK again hides them now", left: (s) => `Hides in ${s} s`,
  systolic: "Systolic (upper)", diastolic: "Diastolic (lower)", pulse: "Pulse", perMinute: "bpm",
  measured: (time) => `Measured at ${time}`, justNow: "Measured just now", minutesAgo: (n) => `Measured ${n} min ago`,
  noMeter: "No blood-pressure meter found", noMeterLong: "Switch the meter on, bring it nearer to the box and measure once.",
  away: "The meter cannot be reached; this is what it last said.",
  private: "Values are only on the screen: not kept, not sent, not logged.", noDiagnosis: "The box does not diagnose. Ask the doctor what a value means.",
  how: ["Sit quietly for 5 minutes, do not talk", "Cuff at the height of the heart, one finger loose", "Measure twice, 1 to 2 minutes apart"],
  phone: "Phone", today: "In today", off: "Not in today", days: "Hours", steps: "What to do",
  callTitle: "What to say to 120", callLines: ["Where: which group, and what stands at the corner", "Who and what: age, awake, breathing", "Do not hang up first"], villageDoctor: "The village doctor, any time: 023-5550-1220",
};
