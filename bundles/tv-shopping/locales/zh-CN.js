export default {
  name: "乡味集市", place: "本县农户直供 · 村口取货点取货",
  sections: { goods: "今日好物", list: "购物单", help: "怎么买" },
  from: (who) => who, each: (unit) => `/ ${unit}`, left: (n, unit) => `还剩 ${n} ${unit}`, few: "快卖完了",
  quantity: "数量", add: "记到购物单", sum: "小计", total: "合计", listed: (n) => `购物单里已有 ${n}`,
  empty: "购物单是空的", emptyLong: "在“今日好物”里按 OK 打开一样东西，选好数量，记到购物单。",
  clear: "清空购物单", sure: "真的清空？再按一次 OK", keep: "不清空",
  howTitle: "看好了记下来，取货时再付钱",
  how: ["在“今日好物”里挑，选数量，记到购物单", "每周三、周六下午，拿着购物单到村口取货点", "当面看货、当面过秤、当面付钱，不合适不要"],
  promise: "这里没有一键付款，电视上不输密码、不绑银行卡。有人打电话让您转账，都是骗子。", pickup: "取货点：青石村村口小卖部 · 023-5550-1230",
  change: "OK 改数量", story: "种它的人", up: "↑↓ 加减，OK 确定",
};
