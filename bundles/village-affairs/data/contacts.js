export default [
  { name: "周明远", role: { "zh-CN": "村支书、主任", en: "Secretary and head" }, phone: "023-5550-1201", hours: { "zh-CN": "周一至周五 8:30–17:30", en: "Mon–Fri 8:30–17:30" } },
  { name: "李桂兰", role: { "zh-CN": "村务监督委员会主任", en: "Head of supervision" }, phone: "023-5550-1207", hours: { "zh-CN": "周二、周五", en: "Tue, Fri" } },
  { name: "陈小川", role: { "zh-CN": "1、2 组网格员", en: "Groups 1 and 2" }, phone: "023-5550-1211", hours: { "zh-CN": "全天", en: "Any time" } },
  { name: "罗春梅", role: { "zh-CN": "3、4 组网格员", en: "Groups 3 and 4" }, phone: "023-5550-1212", hours: { "zh-CN": "全天", en: "Any time" } },
  { name: "田永福", role: { "zh-CN": "村医", en: "Village doctor" }, phone: "023-5550-1220", hours: { "zh-CN": "8:00–20:00，急病随时", en: "8:00–20:00, emergencies any time" } },
  { name: "综合服务大厅", role: { "zh-CN": "代办医保、社保、证明", en: "Insurance, pensions, papers" }, phone: "023-5550-1200", hours: { "zh-CN": "周一至周五", en: "Mon–Fri" } },
];
