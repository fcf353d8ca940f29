export default {
  name: "党员之家", place: "青石村党支部",
  sections: { today: "今日", study: "学习", meetings: "三会一课", points: "我的积分" },
  themeDay: "本月主题党日", agenda: "议程", host: "主持", where: "地点",
  minutes: (n) => `约 ${n} 分钟`, page: (n, of) => `第 ${n} 页 · 共 ${of} 页`, begin: "开始学习", resume: "接着学", finished: "已学完",
  turn: "← → 翻页 · 返回键退出，下次从这里接着学",
  kinds: { member: "党员大会", committee: "支部委员会", group: "党小组会", lecture: "党课", theme: "主题党日" },
  rhythm: { member: "每季度一次", committee: "每月一次", group: "每月一次", lecture: "每季度一次", theme: "每月一次" },
  next: "即将召开", past: "已召开", news: "支部消息",
  total: "本年积分", ledgerNote: "积分只增不改；更正用冲减记录，原记录保留。", rank: (n, of) => `支部第 ${n} 名 · 共 ${of} 人`, correction: "冲减",
};
