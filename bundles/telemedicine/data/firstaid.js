export default [
  { title: { "zh-CN": "突然倒下、没有呼吸", en: "Collapsed, not breathing" }, steps: [ { "zh-CN": "拍肩大声叫，没反应，马上叫人打 120", en: "Tap and shout; no answer: have someone call 120" }, { "zh-CN": "平躺硬地，两手叠放胸口正中", en: "Flat on hard ground, hands on the middle of the chest" }, { "zh-CN": "每分钟按 100 到 120 下，按下 5 厘米，不要停", en: "Press 5 cm deep, 100 to 120 a minute, without stopping" } ] },
  { title: { "zh-CN": "脸歪、手抬不起、说不清话", en: "Crooked face, weak arm, slurred speech" }, steps: [ { "zh-CN": "可能是中风，立刻打 120，记下时间", en: "It may be a stroke: call 120 at once, note the time" }, { "zh-CN": "侧躺，松开衣领，不喂水不喂药", en: "On the side, collar open, no water, no pills" } ] },
  { title: { "zh-CN": "胸口压着疼，出冷汗", en: "Pressing chest pain, cold sweat" }, steps: [ { "zh-CN": "坐下不动，马上打 120", en: "Sit still, call 120" }, { "zh-CN": "有医生开的急救药，按医嘱用", en: "Emergency pills only as the doctor said" } ] },
  { title: { "zh-CN": "噎住了", en: "Choking" }, steps: [ { "zh-CN": "站到身后，拳头抵住肚脐上方", en: "Stand behind, fist above the navel" }, { "zh-CN": "向里向上快速冲击，直到吐出", en: "Thrust in and up until it comes out" } ] },
];
