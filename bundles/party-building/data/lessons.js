/** Lessons of our own words; a page is one screen of big type. */
export default [
  {
    id: "minutes", minutes: 6, title: { "zh-CN": "怎样开好一次党员大会", en: "How to hold a good members' meeting" },
    pages: [
      { "zh-CN": "会前：议题提前三天告诉每一名党员。外出的同志用电话或视频参加，行动不便的同志由党小组长上门听意见。", en: "Before: every member knows the agenda three days ahead. Those away join by phone; those who cannot walk are visited." },
      { "zh-CN": "会中：先清点人数，到会超过半数才能开会，有表决权的超过半数才能表决。一事一议，先讨论，后表决。", en: "During: count first. More than half must be there to meet, and more than half of the votes to decide. One matter at a time: discuss, then vote." },
      { "zh-CN": "会后：当天整理记录，写清谁说了什么、怎么定的、谁去办、什么时候办完。决议在村务公开栏和电视上公布。", en: "After: write the minutes the same day: who said what, what was decided, who does it and by when. Publish the decision." },
    ],
  },
  {
    id: "heating", minutes: 4, title: { "zh-CN": "冬季走访看什么：安全取暖五件事", en: "Winter visits: five things about heating" },
    pages: [
      { "zh-CN": "一看烟囱通不通，二看窗户留没留缝，三看煤炉离床远不远，四看电热毯有没有折叠，五看家里有没有报警器。", en: "Is the chimney clear? Is a window ajar? Is the stove away from the bed? Is the electric blanket flat? Is there an alarm?" },
      { "zh-CN": "头晕、恶心、浑身没劲，可能是煤气中毒：马上开窗、关火，把人移到通风处，拨打 120。", en: "Dizzy, sick, weak: it may be carbon monoxide. Open windows, put out the fire, bring the person into fresh air, call 120." },
    ],
  },
  {
    id: "listening", minutes: 5, title: { "zh-CN": "听群众说话的三个习惯", en: "Three habits of listening" },
    pages: [
      { "zh-CN": "第一，先坐下，再开口。站着问一句，不如坐下听一刻钟。", en: "First: sit down before you speak. A quarter of an hour seated hears more than a question at the door." },
      { "zh-CN": "第二，当面记下来，念给对方听：我记的对不对？", en: "Second: write it down there, and read it back: did I get it right?" },
      { "zh-CN": "第三，办成没办成，三天之内都要回话。", en: "Third: done or not done, answer within three days." },
    ],
  },
];
