export default {
  name: "村务公开",
  place: "青石村 · 村民委员会",
  sections: { finance: "财务公开", notices: "村务公告", matters: "重大事项", contacts: "找村干部" },
  opening: "期初结余", income: "收入", spending: "支出", closing: "期末结余",
  balanced: "账目相符", off: (yuan) => `差 ${yuan} 元，对不上`,
  balancedLong: "盒子已逐笔重算：期初 + 收入 − 支出 = 期末，分文不差。",
  offLong: (yuan) => `盒子重算的结果与公布的期末结余相差 ${yuan} 元，请向村务监督委员会反映。`,
  unsigned: "待监委会会签", unsignedLong: "本月账目尚未经村务监督委员会会签，会签后公布明细。",
  signed: (who) => `村务监督委员会会签：${who}`,
  date: "日期", item: "事项", amount: "金额（元）", voucher: "凭证", unread: "未读", read: "已读",
  steps: ["党支部提议", "两委商议", "党员大会审议", "村民会议决议", "决议公开", "结果公开"],
  stepNow: "正在进行", stepsDone: "全部完成", call: "电话", duty: "值班",
};
