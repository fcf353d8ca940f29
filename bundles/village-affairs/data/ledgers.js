/** Amounts in fen (1/100 yuan): sums of whole numbers are exact. */
export default [
  {
    month: "2026-10", signedBy: null, opening: 18643250, closing: 17921830, lines: [],
  },
  {
    month: "2026-09", signedBy: "李桂兰、赵长顺、王守田", opening: 17215640, closing: 18643250,
    lines: [
      { day: "09-03", item: { "zh-CN": "集体果园承包费", en: "Orchard lease" }, fen: 2400000, voucher: "2026-0901" },
      { day: "09-05", item: { "zh-CN": "村道路灯电费", en: "Street lighting" }, fen: -86420, voucher: "2026-0902" },
      { day: "09-10", item: { "zh-CN": "县财政人居环境补助", en: "County grant: clean village" }, fen: 1500000, voucher: "2026-0903" },
      { day: "09-12", item: { "zh-CN": "清理河道工资（14 人 × 2 天）", en: "River cleaning wages (14 × 2 days)" }, fen: -336000, voucher: "2026-0904" },
      { day: "09-18", item: { "zh-CN": "重阳节慰问 80 岁以上老人（31 户）", en: "Double Ninth visits, 31 households over 80" }, fen: -620000, voucher: "2026-0905" },
      { day: "09-22", item: { "zh-CN": "光伏电站发电收入", en: "Solar station income" }, fen: 318030, voucher: "2026-0906" },
      { day: "09-26", item: { "zh-CN": "幸福食堂米面粮油", en: "Canteen: rice, flour, oil" }, fen: -1248000, voucher: "2026-0907" },
      { day: "09-29", item: { "zh-CN": "村部报刊、水电费", en: "Office papers, water, power" }, fen: -500000, voucher: "2026-0908" },
    ],
  },
  {
    month: "2026-08", signedBy: "李桂兰、赵长顺、王守田", opening: 16882140, closing: 17215640,
    lines: [
      { day: "08-04", item: { "zh-CN": "机动地承包费", en: "Reserve land lease" }, fen: 860000, voucher: "2026-0801" },
      { day: "08-11", item: { "zh-CN": "抗旱抽水柴油", en: "Diesel for drought pumping" }, fen: -214500, voucher: "2026-0802" },
      { day: "08-20", item: { "zh-CN": "光伏电站发电收入", en: "Solar station income" }, fen: 352600, voucher: "2026-0803" },
      { day: "08-27", item: { "zh-CN": "3 组机耕道维修", en: "Group 3 farm track repair" }, fen: -664600, voucher: "2026-0804" },
    ],
  },
  {
    month: "2026-07", signedBy: "李桂兰、赵长顺", opening: 16541200, closing: 16892140,
    lines: [
      { day: "07-06", item: { "zh-CN": "蓄水池防水材料", en: "Reservoir waterproofing" }, fen: -418000, voucher: "2026-0701" },
      { day: "07-15", item: { "zh-CN": "集体茶园分红", en: "Tea garden dividend" }, fen: 920000, voucher: "2026-0702" },
      { day: "07-23", item: { "zh-CN": "暑期儿童之家人员补贴", en: "Children's summer home staff" }, fen: -161060, voucher: "2026-0703" },
    ],
  },
];
