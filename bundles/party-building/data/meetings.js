export default [
  { kind: "theme", date: "2026-11-28", time: "19:30", title: { "zh-CN": "冬季走访行动", en: "Winter visits" } },
  { kind: "member", date: "2026-11-28", time: "20:20", title: { "zh-CN": "审议集体茶园承包方案", en: "Lease of the tea garden" } },
  { kind: "lecture", date: "2026-12-05", time: "19:30", title: { "zh-CN": "老支书讲村史：一条渠的三十年", en: "The old secretary tells: thirty years of a canal" } },
  { kind: "committee", date: "2026-12-02", time: "19:00", title: { "zh-CN": "年度述职准备", en: "Preparing the yearly report" } },
  { kind: "group", date: "2026-11-15", time: "19:30", title: { "zh-CN": "二组：防火巡山分工", en: "Group 2: fire watch" } },
  { kind: "committee", date: "2026-11-04", time: "19:00", title: { "zh-CN": "幸福食堂运行情况", en: "How the canteen runs" } },
];
