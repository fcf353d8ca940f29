/** `days`: 0 is Sunday. */
export default [
  { name: "田永福", title: { "zh-CN": "村医 · 全科", en: "Village doctor" }, where: { "zh-CN": "村卫生室", en: "Village clinic" }, phone: "023-5550-1220", days: [1, 2, 3, 4, 5, 6], hours: "8:00–20:00" },
  { name: "张静", title: { "zh-CN": "家庭医生 · 高血压、糖尿病随访", en: "Family doctor · pressure and sugar" }, where: { "zh-CN": "镇卫生院，周三到村", en: "Town hospital, here on Wednesdays" }, phone: "023-5551-3302", days: [3], hours: "9:00–12:00" },
  { name: "马德清", title: { "zh-CN": "中医 · 腰腿痛、推拿", en: "Chinese medicine · back and legs" }, where: { "zh-CN": "镇卫生院", en: "Town hospital" }, phone: "023-5551-3310", days: [1, 4, 6], hours: "8:30–16:30" },
  { name: "孙丽", title: { "zh-CN": "妇幼保健", en: "Mothers and children" }, where: { "zh-CN": "镇卫生院", en: "Town hospital" }, phone: "023-5551-3318", days: [2, 5], hours: "8:30–16:30" },
];
