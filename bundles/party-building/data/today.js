export const themeDay = {
  date: "2026-11-28", time: "19:30–21:00",
  title: { "zh-CN": "把暖气送进门：冬季走访行动", en: "Warm homes: the winter visits" },
  where: { "zh-CN": "村党群服务中心二楼", en: "Service centre, first floor" },
  host: "周明远",
  agenda: [
    { "zh-CN": "学习冬季安全取暖常识，预防一氧化碳中毒", en: "Heating safely: carbon monoxide" },
    { "zh-CN": "按片区认领 31 户独居老人走访任务", en: "Sharing out visits to 31 people who live alone" },
    { "zh-CN": "商议集体茶园承包底价（提请党员大会）", en: "The tea garden's lowest rent, for the members' meeting" },
    { "zh-CN": "缴纳党费，记录积分", en: "Dues and points" },
  ],
};
export const news = [
  { day: "11-18", title: { "zh-CN": "河道清理突击队两天清淤 1.2 千米", en: "River team clears 1.2 km in two days" }, text: { "zh-CN": "14 名党员和 9 名群众参加，清运垃圾 6 车。县水务局验收合格，汛期前再巡查一次。", en: "Fourteen members and nine neighbours carried away six loads. The county accepted the work; one more round before the floods." } },
  { day: "11-14", title: { "zh-CN": "幸福食堂志愿帮厨排班表", en: "Who helps in the canteen" }, text: { "zh-CN": "周一罗春梅、田永福；周三陈小川、赵长顺；周五王守田、李桂兰。请假请提前一天告诉周明远。", en: "Mon: Luo, Tian. Wed: Chen, Zhao. Fri: Wang, Li. Tell Zhou a day ahead if you cannot come." } },
  { day: "11-09", title: { "zh-CN": "两名入党积极分子考察公示", en: "Two applicants under review" }, text: { "zh-CN": "公示期 11 月 9 日至 15 日。意见请当面或书面反映到支部，来访保密。", en: "Shown 9 to 15 November. Remarks to the branch in person or writing, in confidence." } },
];
