/** The texts of charts, silences, subscriptions and of what is shown of a person, in English. */

/** @param {number} count @param {string} one @param {string} many */
const counted = (count, one, many) => `${count} ${count === 1 ? one : many}`;

export default {
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
