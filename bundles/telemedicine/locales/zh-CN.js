export default {
  name: "看医生", place: "青石村卫生室 · 家庭医生签约服务",
  sections: { measure: "量血压", doctor: "家庭医生", classes: "健康课堂", help: "急救 120" },
  hidden: "数值已隐藏", reveal: "按 OK 显示 30 秒", hideNow: "再按 OK 立即隐藏", left: (s) => `${s} 秒后自动隐藏`,
  systolic: "收缩压（高压）", diastolic: "舒张压（低压）", pulse: "脉搏", perMinute: "次/分",
  measured: (time) => `测量时间 ${time}`, justNow: "刚刚测量", minutesAgo: (n) => `${n} 分钟前测量`,
  noMeter: "没有找到血压计", noMeterLong: "请打开血压计电源，放在离盒子近一些的地方，测一次再看。",
  away: "血压计暂时连不上，下面是它最后一次的数值。",
  private: "数值只显示在屏幕上，不保存，不上传，不写进日志。", noDiagnosis: "盒子不做诊断。数值要不要紧，请问医生。",
  how: ["安静坐 5 分钟，不说话", "袖带与心脏一样高，松紧能放进一指", "量两次，隔 1 到 2 分钟"],
  phone: "电话", today: "今天坐诊", off: "今天不坐诊", days: "坐诊时间", steps: "怎么做",
  callTitle: "打 120 时这样说", callLines: ["在哪里：青石村几组，路口有什么标志", "谁怎么了：几岁，清不清醒，喘不喘气", "电话别挂，等对方先挂"], villageDoctor: "村医随时可打 023-5550-1220",
};
