/** The texts of charts, silences, subscriptions and of what is shown of a person, in English. */

/** @param {number} count @param {string} one @param {string} many */
const counted = (count, one, many) => `${count} ${count === 1 ? one : many}`;

export default {
  nav: { silences: 'Silences' },
  who: {
    signedIn: 'Signed in as',
    roles: /** @type {Record<string, string>} */ ({
      submit: 'Sender',
      coordinator: 'Coordinator',
      read: 'Reader',
      clinician: 'Clinician',
      operator: 'Operator',
      auditor: 'Auditor',
      admin: 'Administrator',
    }),
    allStudies: 'all studies',
    where: (/** @type {string} */ study, /** @type {string} */ site) => `${study}, site ${site}`,
  },
  silences: {
    title: 'Silences',
    new: 'Stop messages for a while',
    properties: {
      study: 'Study',
      site: 'Site',
      severity: 'Severity',
      instrument: 'Instrument or report',
      rule: 'Rule',
      subject: 'Subject',
    },
    about: (/** @type {string} */ property, /** @type {string} */ values) => `${property} ${values}`,
    or: ' or ',
    everything: 'All alerts',
    lasts: 'For how long',
    spans: (/** @type {number} */ minutes) =>
      minutes < 60
        ? counted(minutes, 'minute', 'minutes')
        : minutes < 1440
          ? counted(minutes / 60, 'hour', 'hours')
          : counted(minutes / 1440, 'day', 'days'),
    until: 'Until a time…',
    untilTime: 'Until',
    why: 'Why',
    narrower: 'Narrower: severity, instrument, rule, subject',
    criticalTick: 'Critical alerts, too. Without it they are sent all the same.',
    empty: 'Say which study, site, rule or subject it is about.',
    will: (/** @type {string} */ about, /** @type {string} */ end, /** @type {boolean} */ critical) =>
      `Until ${end}, Vigil records these alerts and sends nothing: ${about}. ${critical ? 'Critical alerts are not sent, either.' : 'Critical alerts are sent all the same.'}`,
    begin: 'Silence',
    begun: (/** @type {string} */ end) => `Silent until ${end}.`,
    inForce: 'In force, to come and over',
    none: 'No silences',
    noneHelp: 'Every alert is sent by its route. A silence appears here for as long as it lasts.',
    states: { active: 'In force', pending: 'Not begun', ended: 'Over' },
    span: (/** @type {string} */ start, /** @type {string} */ end) => `${start} to ${end}`,
    ends: 'ends',
    begins: 'begins',
    by: (/** @type {string} */ author) => `by ${author}`,
    criticalToo: 'Critical alerts are not sent, either.',
    criticalSent: 'Critical alerts are sent all the same.',
    nothingUnsent: 'It has held nothing back yet.',
    unsent: (/** @type {number} */ count, /** @type {boolean} */ more, /** @type {string} */ shown) =>
      `${more ? 'At least ' : ''}${shown} matching ${count === 1 ? 'alert was' : 'alerts were'} not sent since it began`,
    end: 'End it now',
    ended: 'The silence is over. New alerts are sent again.',
    likeIt: 'Silence alerts like this…',
  },
  chart: {
    label: (/** @type {string} */ title, /** @type {number} */ count) =>
      `${title}, ${counted(count, 'value', 'values')}`,
    alert: (/** @type {string} */ severity) => `${severity} alert`,
    gap: (/** @type {string} */ usual) =>
      `The line is broken where an entry is missing (usually there is one every ${usual})`,
    after: (/** @type {string} */ time) => `after ${time} without an entry`,
    table: (/** @type {number} */ count) => `${counted(count, 'value', 'values')} as a table`,
    unmarked: 'Alerts of older submissions are marked once those are shown below.',
    failed: 'The chart could not be loaded. The table has the same values.',
  },
  hour: {
    title: 'The last hour',
    none: 'There are no figures of the last hour yet. Vigil takes them once a minute.',
    waiting: 'How many wait',
    oldest: 'How long the oldest waits',
    queues: /** @type {Record<string, string>} */ ({
      submit: 'to be scored',
      dispatch: 'to be delivered',
      imaging: 'to be analysed',
    }),
    waits: (/** @type {string} */ queue, /** @type {string} */ count, /** @type {string} */ oldest) =>
      `${count} ${queue}, the oldest for ${oldest}`,
    seconds: (/** @type {string} */ count) => `${count}s`,
    table: (/** @type {number} */ count) => `${counted(count, 'minute', 'minutes')} as a table`,
    minute: 'Minute',
    accepted: 'Accepted',
    scored: 'Scored',
    delivered: 'Delivered',
    waitsIn: (/** @type {string} */ queue) => `Waiting ${queue}`,
    oldestIn: (/** @type {string} */ queue) => `Oldest ${queue}`,
  },
  attempts: {
    when: 'Time',
    outcome: 'Outcome',
    took: 'Duration',
    picture: (/** @type {number} */ count, /** @type {string} */ outcomes) =>
      `The last ${counted(count, 'attempt', 'attempts')}, the latest at the right: ${outcomes}`,
    counted: (/** @type {string} */ outcome, /** @type {number} */ count) => `${outcome}: ${count}`,
    longest: (/** @type {string} */ ms) => `longest: ${ms} ms`,
  },
};
