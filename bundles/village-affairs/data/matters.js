/** `step` counts the finished ones of four deliberations and two publications. */
export default [
  {
    title: { "zh-CN": "村口文化广场改造", en: "Rebuilding the square" }, step: 4,
    text: { "zh-CN": "铺装 620 平方米，新增 6 盏太阳能灯和无障碍坡道。预算 18.6 万元，其中县级补助 15 万元。", en: "620 m² of paving, six solar lamps and a ramp. Budget ¥186,000, of which the county pays ¥150,000." },
  },
  {
    title: { "zh-CN": "集体茶园对外承包", en: "Leasing the tea garden" }, step: 2,
    text: { "zh-CN": "86 亩，承包期 5 年，底价每亩 420 元。党员大会 11 月 28 日审议。", en: "86 mu for five years, at least ¥420 a mu. The members' meeting reviews it on 28 November." },
  },
  {
    title: { "zh-CN": "3 组饮水管网更新", en: "New water pipes for group 3" }, step: 6,
    text: { "zh-CN": "更换主管 1.9 千米，9 月 30 日验收，决算 7.42 万元，比预算节省 0.38 万元。", en: "1.9 km of mains, accepted on 30 September for ¥74,200: ¥3,800 below budget." },
  },
];
