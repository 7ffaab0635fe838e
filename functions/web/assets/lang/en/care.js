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
    unknownSite: (/** @type {string} */ site) => `No alert of site ${site} is known. Is the name right?`,
    end: 'End it now',
    endTitle: 'End this silence?',
    endHelp: 'From now on, alerts like these are sent again. What was held back is not sent later.',
    ended: 'The silence is over. New alerts are sent again.',
    likeIt: 'Silence alerts like this…',
  },
  identity: {
    ask: 'Who is it?',
    recorded:
      'Vigil records that you look: who you are, the subject and the time, for the auditors. Look only if you need it to treat the patient.',
    look: 'Show the patient’s id',
    patient: 'Patient’s id',
    system: 'Given out by',
    forgotten: 'It is gone from this screen when you close this.',
    close: 'Close',
  },
  subscriptions: {
    title: 'Subscriptions to events',
    edit: 'Change them',
    none: 'No subscriptions',
    noneHelp: 'The document “subscriptions” names the systems that are told of events.',
    upToDate: 'Up to date',
    waiting: (/** @type {string} */ shown, /** @type {number} */ count) =>
      `${shown} ${count === 1 ? 'message waits' : 'messages wait'}`,
    waits: 'Waiting',
    behind: 'Behind: there are events without a message yet',
    studies: 'Studies',
    content: 'Content',
    since: 'First event',
    contents: /** @type {Record<string, string>} */ ({ reference: 'references', scores: 'scores', full: 'everything' }),
    events: /** @type {Record<string, string>} */ ({
      'submission.scored': 'submission scored',
      'submission.failed': 'submission not scored',
      'submission.amended': 'submission amended',
      'submission.erased': 'submission erased',
      'alert.acknowledged': 'alert acknowledged',
      'alert.resolved': 'alert resolved',
      'alert.reopened': 'alert opened again',
      'key.expiring': 'API key ends soon',
    }),
    again: 'Tell again…',
    againTitle: (/** @type {string} */ name) => `Tell ${name} again`,
    againHelp: 'Each event has the same webhook-id as before: a receiver that knows it can leave it out.',
    sinceTime: 'All events since',
    count: 'Count them',
    dry: (/** @type {string} */ shown, /** @type {number} */ count, /** @type {boolean} */ more) =>
      `${more ? 'At least ' : ''}${shown} ${count === 1 ? 'event' : 'events'} would be told again.`,
    tell: 'Tell again',
    told: (/** @type {string} */ count) => `${count} told again.`,
  },
  care: {
    print: 'To print',
    export: 'As CSV',
    erase: 'Erase…',
    eraseTitle: 'Erase this submission',
    eraseHelp:
      'What the patient answered, its scores and its text are removed everywhere, for good. That it was there, and its audit trail, stay. Sending it again is refused.',
    eraseAct: 'Erase for good',
    erased: 'It is erased.',
  },
  everything: {
    title: 'Everything about this subject',
    help: 'All submissions, scores, alerts with their history, and analyses, for a person who asks what is held about them.',
    recorded: 'It says who the patient is, and Vigil records that you looked.',
    bundle: 'As a file (FHIR)',
    page: 'As a page to print',
  },
  paper: {
    reading: (/** @type {number} */ done, /** @type {number} */ all) => `Reading ${done} of ${all}…`,
    back: 'Back to the subject',
    print: 'Print',
    careful: 'The paper has what the patient answered. Keep it as the study’s rules say.',
    pseudonym: 'Pseudonym',
    printed: 'Printed',
    by: 'By',
    count: (/** @type {number} */ count, /** @type {number} */ erased, /** @type {boolean} */ more) =>
      `${count}${erased ? `, and ${erased} erased` : ''}${more ? ', older ones are left out' : ''}`,
    alerts: 'Alerts',
    superseded: 'amended later',
  },
  /** Faults by their code, and sentences of the API in the language of the screen. English stays as it is. */
  findings: {
    kinds: /** @type {Record<string, string>} */ ({}),
    patterns: /** @type {Array<[RegExp, string]>} */ ([]),
  },
  /** Bands by their English name. */
  bands: /** @type {Record<string, string>} */ ({}),
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
      score: 'to be scored',
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
    at: (/** @type {string} */ receiver) => `Attempts at ${receiver}`,
    when: 'Time',
    outcome: 'Outcome',
    took: 'Duration',
    picture: (/** @type {number} */ count, /** @type {string} */ outcomes) =>
      `The last ${counted(count, 'attempt', 'attempts')}, the latest at the right: ${outcomes}`,
    counted: (/** @type {string} */ outcome, /** @type {number} */ count) => `${outcome}: ${count}`,
    longest: (/** @type {string} */ ms) => `longest: ${ms} ms`,
  },
};
