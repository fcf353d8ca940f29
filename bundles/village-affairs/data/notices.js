export default [
  {
    id: "2026-11-water", day: "2026-11-19", from: { "zh-CN": "村委会", en: "Committee" },
    title: { "zh-CN": "11 月 23 日上午停水检修", en: "Water off on the morning of 23 November" },
    text: {
      "zh-CN": "11 月 23 日（星期一）8:00 至 12:00 检修 2 组、3 组主管道，期间停水。请提前储水。五保户和行动不便的老人由网格员上门送水，有需要请拨打网格员电话。",
      en: "The mains of groups 2 and 3 are repaired on Monday 23 November, 8:00 to 12:00. Please store water. Volunteers bring water to people who live alone or cannot walk well; call them if you need it.",
    },
  },
  {
    id: "2026-11-insurance", day: "2026-11-16", from: { "zh-CN": "县医保局", en: "County health insurance" },
    title: { "zh-CN": "2027 年居民医保开始缴费", en: "Health insurance for 2027 can be paid" },
    text: {
      "zh-CN": "缴费截止 12 月 31 日。低保户、特困人员由财政代缴，不用自己交。村部每周二、周五上午可以代办，请带身份证和户口簿。谨防诈骗：工作人员不会打电话索要验证码。",
      en: "Pay until 31 December. Households on basic allowance do not pay. The office helps on Tuesday and Friday mornings; bring identity card and household book. No official ever asks for a code by phone.",
    },
  },
  {
    id: "2026-11-fire", day: "2026-11-12", from: { "zh-CN": "护林防火队", en: "Fire watch" },
    title: { "zh-CN": "进入森林防火期，严禁野外用火", en: "Forest fire season: no open fires" },
    text: {
      "zh-CN": "即日起至 2027 年 4 月 30 日为森林防火期。上坟祭扫请用鲜花，不烧纸、不放炮；秸秆统一回收，每亩补助 30 元。发现火情请拨 12119。",
      en: "Until 30 April 2027: flowers instead of burnt paper at graves, no firecrackers. Straw is collected and paid at ¥30 a mu. Report fires to 12119.",
    },
  },
  {
    id: "2026-11-allowance", day: "2026-11-08", from: { "zh-CN": "村委会", en: "Committee" },
    title: { "zh-CN": "四季度低保动态调整名单公示", en: "Basic allowance: changes for the quarter" },
    text: {
      "zh-CN": "新增 2 户：陈某某（身份证 5002************21）、罗某某（5002************46）。公示 7 天，有异议请向村务监督委员会反映，来访保密。",
      en: "Two households are added: Chen (ID 5002************21) and Luo (5002************46). Shown for 7 days; objections go to the supervisory committee in confidence.",
    },
  },
];
