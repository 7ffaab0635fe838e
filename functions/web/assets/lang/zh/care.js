/** The texts of charts, silences, subscriptions and of what is shown of a person, in Chinese. */

/** @type {typeof import('../en/care.js').default} */
const text = {
  who: {
    signedIn: '登录身份',
    roles: {
      submit: '提交程序',
      coordinator: '协调员',
      read: '查看者',
      clinician: '临床医生',
      operator: '运维人员',
      auditor: '稽查员',
      admin: '管理员',
    },
    allStudies: '全部研究',
    where: (study, site) => `${study}，中心 ${site}`,
  },
  chart: {
    label: (title, count) => `${title}，${count} 个数值`,
    alert: (severity) => `${severity}警报`,
    gap: (usual) => `曲线断开处缺少记录（通常每 ${usual} 一次）`,
    after: (time) => `此前 ${time} 没有记录`,
    table: (count) => `以表格显示 ${count} 个数值`,
    unmarked: '更早提交的警报在下方显示后才会标出。',
    failed: '图表无法加载，表格中有相同的数值。',
  },
  hour: {
    title: '最近一小时',
    none: '还没有最近一小时的数据。Vigil 每分钟记录一次。',
    waiting: '等待数量',
    oldest: '最久等待时间',
    queues: { submit: '待评分', dispatch: '待送达', imaging: '待分析' },
    waits: (queue, count, oldest) => `${queue} ${count} 条，最久 ${oldest}`,
    seconds: (count) => `${count}秒`,
    table: (count) => `以表格显示 ${count} 分钟`,
    minute: '时刻',
    accepted: '接收',
    scored: '评分',
    delivered: '送达',
    waitsIn: (queue) => `${queue}数量`,
    oldestIn: (queue) => `${queue}最久`,
  },
  attempts: {
    when: '时间',
    outcome: '结果',
    took: '耗时',
    picture: (count, outcomes) => `最近 ${count} 次尝试，最新的在右侧：${outcomes}`,
    counted: (outcome, count) => `${outcome}：${count}`,
    longest: (ms) => `最长：${ms} 毫秒`,
  },
};

export default text;
