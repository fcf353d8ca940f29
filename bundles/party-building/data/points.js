export const rank = { place: 4, members: 27 };
export const entries = [
  { day: "2026-11-18", text: { "zh-CN": "参加河道清理", en: "River cleaning" }, points: 10 },
  { day: "2026-10-31", text: { "zh-CN": "主题党日（到会）", en: "Theme day attended" }, points: 5 },
  { day: "2026-10-12", text: { "zh-CN": "更正：9 月 20 日重复登记", en: "Correction: 20 September entered twice" }, points: -5 },
  { day: "2026-09-20", text: { "zh-CN": "主题党日（重复登记）", en: "Theme day (entered twice)" }, points: 5 },
  { day: "2026-09-20", text: { "zh-CN": "主题党日（到会）", en: "Theme day attended" }, points: 5 },
  { day: "2026-08-16", text: { "zh-CN": "抗旱送水志愿服务", en: "Carrying water in the drought" }, points: 15 },
  { day: "2026-06-30", text: { "zh-CN": "讲一堂微党课", en: "Gave a short lecture" }, points: 20 },
];
