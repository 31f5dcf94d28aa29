// What an entry says, in words: who did what, and what the gate decided.

import { APPROVAL_WORDS } from './approval-words.ts'
import { count, type Json, list, number, record, text } from './json.ts'
import { counted, tenths } from './numbers.ts'
import type { Entry } from './shapes.ts'
import type { Told } from './told.ts'

/** Types that this page knows; every other one is told by its name and subject. */
const TELLERS: Readonly<Record<string, (data: Json) => Told>> = {
  'action.decided@1': tellDecision,
  'action.finished@1': tellOutcome,
  ...APPROVAL_WORDS,
  'run.paused@1': ({ run, reason }) => ({
    what: `paused the run ${text(run)}`,
    tone: 'wait',
    ...sentenceOf(reason),
  }),
  'run.resumed@1': ({ run }) => plain(`let the run ${text(run)} go on`),
  'run.cancelled@1': ({ run, reason }) => ({
    what: `had the run ${text(run)} cancelled`,
    tone: 'bad',
    ...sentenceOf(reason),
  }),
  'run.signalled@1': ({ run, name }) => plain(`sent the signal ${text(name)} to the run ${text(run)}`),
  'run.parked@1': ({ run, reason }) => ({
    what: `parked the run ${text(run)} until somebody has looked`,
    tone: 'wait',
    verdict: 'parked',
    ...sentenceOf(reason),
  }),
  'run.resolved@1': ({ run, step, outcome }) =>
    plain(`found out that step ${text(step)} of the run ${text(run)} is ${text(outcome)}`),
  'system.booted@1': ({ release, stages }) => {
    const fallen = list(stages).filter((each) => record(each).status !== 'passed')
    const what = `started with release ${text(release)}`
    return fallen.length === 0 ? plain(what) : { what, tone: 'bad', verdict: 'degraded' }
  },
  'config.changed@1': ({ cause, changes, reason }) => {
    const keys = list(changes)
      .map((each) => text(record(each).key))
      .join(', ')
    return cause === 'rolled-back'
      ? {
          what: `took the configuration back: ${keys}`,
          tone: 'bad',
          verdict: 'rolled back',
          sentence: text(reason),
        }
      : plain(`changed the configuration: ${keys}`)
  },
  'mirror.repository-analyzed@1': (data) => {
    const health = number(data.health)
    const score = health === null ? 'health unknown' : `health ${tenths(health)}`
    return plain(
      `analysed ${text(data.name)}: ${score}, grade ${text(data.grade)}, ${counted(count(data.findings), 'finding')}`,
    )
  },
  'mirror.repository-failed@1': ({ name, code }) => ({
    what: `could not analyse ${text(name)} (${text(code)})`,
    tone: 'bad',
    verdict: 'failed',
  }),
  'mirror.repository-forgotten@1': ({ name }) => plain(`had ${text(name)} forgotten`),
  'mirror.health-fell@1': (data) => ({
    what: `found the health of ${text(data.name)} below ${count(data.threshold)} (${tenths(count(data.health))})`,
    tone: 'bad',
    verdict: 'alert',
  }),
  'mirror.health-recovered@1': (data) => ({
    what: `saw the health of ${text(data.name)} recover to ${tenths(count(data.health))}`,
    tone: 'good',
    verdict: 'recovered',
  }),
  'mirror.analysis-completed@1': (data) => {
    const failed = count(data.failed)
    const done = `completed an analysis of ${counted(count(data.analyzed) + failed, 'repository', 'repositories')}`
    return failed === 0 ? plain(done) : { what: done, tone: 'bad', verdict: `${failed} failed` }
  },
  'attest.statement-signed@1': (data) =>
    plain(`signed an attestation over ${counted(count(data.subjects), 'subject')}`),
  'state.document-written@1': (data) => plain(`wrote ${text(data.namespace)}/${text(data.key)}`),
  'identity.token-issued@1': (data) => plain(`issued a token${forPrincipal(data)}`),
  'identity.token-revoked@1': (data) => plain(`revoked the token ${text(data.id)}`),
  'identity.session-opened@1': () => plain('signed a browser in'),
  'outside.cost-reported@1': ({ decision, cost }) =>
    plain(`reported that ${text(decision)} cost ${text(cost)}`),
  'log.opened@1': ({ origin, predecessor }) =>
    plain(`opened the log ${text(origin)}${predecessor === undefined ? '' : ', which goes on from another'}`),
  'hub.rescued@1': ({ user }) => ({ what: `was rescued by ${text(user)}`, tone: 'bad', verdict: 'rescue' }),
  'log.key-rotated@1': ({ reason }) =>
    reason === 'compromised'
      ? { what: 'handed the log over to a new key, because the old one was stolen', tone: 'bad' }
      : plain('handed the log over to a new key'),
  'log.key-retired@1': () => plain('retired the old key of the log'),
  'log.cosigner-named@1': () => plain('named a further key of the log for retained checkpoints'),
  'gate.bundle-activated@1': tellRules,
  'gate.rollout-changed@1': ({ before, after, reason }) => ({
    what: `changed how far the rules bind: ${rolloutText(before)} -> ${rolloutText(after)}`,
    tone: 'wait',
    ...sentenceOf(reason),
  }),
  'gate.rules-reset@1': ({ user, reason }) => ({
    what: `had ${text(user)} start over with the starter rules`,
    tone: 'bad',
    verdict: 'rescue',
    ...sentenceOf(reason),
  }),
  'log.retention-set@1': (data) => plain(`set that entries stay ${count(data.days)} days`),
  'log.hold-placed@1': (data) => plain(`placed the hold ${text(data.name)} (${text(data.reason)})`),
  'log.hold-released@1': (data) => plain(`released the hold ${text(data.name)} (${text(data.reason)})`),
  'log.pruned@1': (data) => plain(`pruned the log below entry ${count(data.minimumIndex)}`),
  'budget.set@1': ({ id, who, measure, limit, window }) =>
    plain(`set the budget ${text(id)} of ${text(who)}: ${text(measure)} ${count(limit)} per ${text(window)}`),
  'budget.removed@1': ({ id }) => plain(`removed the budget ${text(id)}`),
  'halt.placed@1': ({ principal, how, reason }) => ({
    what: `stopped ${text(principal)}`,
    tone: 'bad',
    verdict: text(how),
    ...sentenceOf(reason),
  }),
  'halt.released@1': ({ principal, reason }) => ({
    what: `let ${text(principal)} act again`,
    tone: 'good',
    ...sentenceOf(reason),
  }),
  'log.alert-raised@1': tellAlert,
  'compliance.report-published@1': ({ from, to, scroll, version }) =>
    plain(
      `published the compliance report of ${text(from)} to ${text(to)} as ${text(scroll)} version ${count(version)}`,
    ),
  'trust.reported@1': ({ principal, family, verdict }) =>
    plain(`reported ${text(verdict)} conduct of ${text(principal)} in ${text(family)}`),
  'trust.overridden@1': ({ principal, family, trust, until, reason }) => ({
    what: `set the trust in ${text(principal)} for ${text(family)} to ${count(trust)} thousandths until ${text(until)}`,
    tone: 'wait',
    ...sentenceOf(reason),
  }),
  'trust.override-lifted@1': ({ principal, family }) =>
    plain(`lifted the override of trust in ${text(principal)} for ${text(family)}`),
  'vault.subject-erased@1': (data) => plain(`erased the private data of ${text(data.subject)}`),
  'witness.log-admitted@1': ({ origin }) => plain(`admitted the log ${text(origin)} for cosigning`),
  'witness.log-dismissed@1': ({ origin }) => plain(`dismissed the log ${text(origin)} from cosigning`),
  'witness.policy-set@1': () => plain('set who must cosign the log'),
  'monitor.log-followed@1': ({ origin, url }) =>
    plain(`started to follow the log ${text(origin)} at ${text(url)}`),
  'monitor.log-unfollowed@1': ({ url }) => plain(`stopped following the log at ${text(url)}`),
  'archive.version-preserved@1': (data) => plain(`preserved ${versionOf(data)}`),
  'archive.version-retained@1': (data) =>
    plain(`retained ${versionOf(data)} until ${text(data.retainUntil)} (${text(data.mode)})`),
  'archive.retention-bypassed@1': (data) => plain(`cut the retention of ${versionOf(data)} short`),
  'archive.version-held@1': (data) => plain(`put ${versionOf(data)} under legal hold`),
  'archive.version-released@1': (data) => plain(`released ${versionOf(data)} from its legal hold`),
  'archive.version-deleted@1': (data) => plain(`deleted ${versionOf(data)}`),
  'archive.copy-damaged@1': (data) => ({
    what: `found ${versionOf(data)} ${text(data.problem)} in the copy ${text(data.copy)}`,
    tone: 'bad',
    verdict: 'damage',
  }),
  'archive.copy-repaired@1': (data) => ({
    what: `repaired ${versionOf(data)} in the copy ${text(data.copy)}`,
    tone: 'good',
    verdict: 'repaired',
  }),
  'archive.scroll-lost@1': (data) => ({
    what: `found no good copy of ${versionOf(data)} any more`,
    tone: 'bad',
    verdict: 'lost',
  }),
  'archive.scrubbed@1': tellScrub,
  'procedures.defined@1': ({ name }) => plain(`put the procedure ${text(name)} in force`),
  'procedures.retired@1': ({ name }) => plain(`retired the procedure ${text(name)}`),
  'schedules.set@1': ({ name, action, cron }) =>
    plain(`put the schedule ${text(name)}: ${text(action)} at ${text(cron)}`),
  'schedules.removed@1': ({ name }) => plain(`removed the schedule ${text(name)}`),
  'schedules.stopped@1': ({ name, code, message }) => ({
    what: `stopped the schedule ${text(name)}`,
    tone: 'bad',
    verdict: 'stopped',
    sentence: `${text(message)} (${text(code)})`,
  }),
  'schedules.slots-missed@1': (data) => ({
    what: `let ${data.isMore === true ? 'more than ' : ''}${counted(count(data.count), 'time')} of the schedule ${text(data.name)} go`,
    tone: 'bad',
    verdict: 'missed',
  }),
  'mirror.analysis.completed@1': tellFlow,
  'counterparts.request-kept@1': ({ service, operation, code }) => ({
    what: `kept ${text(operation)} for ${text(service)}, which did not take it (${text(code)})`,
    tone: 'bad',
    verdict: 'kept',
  }),
  'counterparts.requests-forwarded@1': (data) => ({
    what: `delivered to ${text(data.service)} what was kept for it: ${counted(list(data.keys).length, 'request')}`,
    tone: 'good',
    verdict: 'delivered',
  }),
  'counterparts.request-refused@1': (data) => ({
    what: `set ${text(data.operation)} aside, because ${text(data.service)} refuses it (${count(data.status)})`,
    tone: 'bad',
    verdict: 'refused',
  }),
  'components.registered@1': ({ id, version }) =>
    plain(`registered the component ${text(id)} ${text(version)}`),
  'components.deregistered@1': ({ id }) => plain(`took the component ${text(id)} out of the registry`),
  'components.lost@1': ({ id }) => ({
    what: `lost the component ${text(id)}, whose lease ran out`,
    tone: 'bad',
    verdict: 'lost',
  }),
  'components.recovered@1': ({ id }) => ({
    what: `saw the component ${text(id)} come back`,
    tone: 'good',
    verdict: 'recovered',
  }),
  'components.check-failed@1': ({ id, check, note }) => ({
    what: `found the component ${text(id)} failing its check ${text(check)}`,
    tone: 'bad',
    verdict: 'critical',
    ...sentenceOf(note),
  }),
  'components.check-passed@1': ({ id, check }) => ({
    what: `saw the component ${text(id)} pass its check ${text(check)} again`,
    tone: 'good',
    verdict: 'passing',
  }),
  'components.mass-loss@1': (data) => ({
    what: `missed ${count(data.count)} of ${count(data.total)} components at once, which may be its own fault, and declares nobody lost meanwhile`,
    tone: 'bad',
    verdict: 'holding',
  }),
  'components.mass-loss-ended@1': ({ outcome, overdue }) =>
    outcome === 'renewals'
      ? { what: 'heard from the components again that it had missed at once', tone: 'good' }
      : {
          what: `gave up waiting for ${count(overdue)} components that it missed at once`,
          tone: 'bad',
          verdict: 'confirmed',
        },
  'components.manifests-applied@1': ({ modules }) =>
    plain(`put the manifests of ${counted(list(modules).length, 'module')} in force`),
  'webhooks.endpoint-registered@1': ({ mode, types }) =>
    plain(
      `registered a webhook (${text(mode)}) for ${Array.isArray(types) ? types.map(text).join(', ') : 'events'}`,
    ),
  'webhooks.endpoint-updated@1': ({ endpoint }) => plain(`changed the webhook ${text(endpoint)}`),
  'webhooks.secret-rotated@1': ({ endpoint }) => plain(`made a new secret for the webhook ${text(endpoint)}`),
  'webhooks.endpoint-enabled@1': ({ endpoint }) => plain(`enabled the webhook ${text(endpoint)}`),
  'webhooks.endpoint-disabled@1': ({ endpoint, reason }) =>
    reason === 'asked'
      ? plain(`disabled the webhook ${text(endpoint)}`)
      : {
          what: `disabled the webhook ${text(endpoint)}, ${reason === 'gone' ? 'which wants nothing any more' : 'to which nothing gets through'}`,
          tone: 'bad',
          verdict: text(reason),
        },
  'webhooks.endpoint-removed@1': ({ endpoint }) => plain(`removed the webhook ${text(endpoint)}`),
  'webhooks.source-put@1': ({ name, prefix }) => plain(`takes events of ${text(name)} as ${text(prefix)}.*`),
  'webhooks.source-removed@1': ({ name }) => plain(`takes no more events of ${text(name)}`),
  'webhooks.event-received@1': ({ type, hook }) => plain(`received ${text(type)} from ${text(hook)}`),
  'brokers.sink-put@1': ({ name, broker, to }) =>
    plain(`sends events to ${text(broker)} (${text(to)}) as ${text(name)}`),
  'brokers.source-put@1': ({ name, broker, prefix }) =>
    plain(`takes events of ${text(broker)} as ${text(prefix)}.* by ${text(name)}`),
  'brokers.removed@1': ({ name }) => plain(`ended the flow ${text(name)} of a broker`),
  'brokers.event-received@1': ({ type, through }) => plain(`received ${text(type)} through ${text(through)}`),
  'brokers.messages-set-aside@1': (data) => ({
    what: `could not use ${counted(count(data.count), 'message')} of ${text(data.name)}`,
    tone: 'bad',
    verdict: 'set aside',
    ...sentenceOf(data.reason),
  }),
  'mesh.event-published@1': ({ type, subject }) =>
    plain(`published ${text(type)}${subject === undefined ? '' : ` about ${text(subject)}`}`),
  'mesh.message-sent@1': ({ type, to, run }) =>
    plain(`sent ${run === undefined ? 'the message' : 'the request'} ${text(type)} to ${text(to)}`),
  'mesh.reply-sent@1': ({ to, request }) => plain(`replied to ${text(to)} (request ${text(request)})`),
  'mesh.type-defined@1': ({ type, major }) => plain(`declared the event type ${text(type)}@${text(major)}`),
  'mesh.subscription-opened@1': ({ name, types }) =>
    plain(`subscribed as ${text(name)} to ${list(types).map(text).join(', ')}`),
  'mesh.subscription-paused@1': ({ name, isPaused }) =>
    plain(`${isPaused === true ? 'paused' : 'resumed'} the subscription ${text(name)}`),
  'mesh.subscription-closed@1': ({ name }) => plain(`ended the subscription ${text(name)}`),
  'mesh.routes-activated@1': ({ isRollback, digest }) =>
    digest === undefined
      ? plain('took all event routes out of force')
      : plain(
          `${isRollback === true ? 'put earlier' : 'put'} event routes in force (${text(digest).slice(0, 19)})`,
        ),
  'mesh.event-blocked@1': ({ publisher, type, code, mode, count }) => ({
    what: `${mode === 'log-only' ? 'would have kept' : 'kept'} ${text(publisher)} from publishing ${text(type)}${number(count) !== null && Number(count) > 1 ? ` (${text(count)} times)` : ''}`,
    tone: 'bad',
    verdict: text(code),
  }),
  'mesh.alert-raised@1': ({ type, source }) => ({
    what: `raised an alert because ${text(source)} published ${text(type)}`,
    tone: 'bad',
    verdict: 'alert',
  }),
}

export function tell({ type, subject, data }: Entry): Told {
  const teller = Object.hasOwn(TELLERS, type) ? TELLERS[type] : undefined
  return teller?.(data) ?? plain(subject === '' ? type : `${type} on ${subject}`)
}

/** `user:owner`, or who acted first when the entry names nobody: the hub itself. */
export const who = ({ actor }: Entry): string => (actor === '' ? 'the hub' : actor)

const plain = (what: string): Told => ({ what, tone: 'plain' })

function tellDecision(data: Json): Told {
  const { action, resource, effect, sentence, solo } = data
  const times = count(data.count)
  const what = `asked for ${bare(action)} on ${text(resource)}${times > 1 ? ` ${times} times` : ''}`
  switch (effect) {
    case 'allow':
      return { what, tone: 'good', verdict: solo === true ? 'allowed, solo' : 'allowed' }
    case 'suspended':
      return { what, tone: 'wait', verdict: 'suspended', sentence: text(sentence) }
    default:
      return { what, tone: 'bad', verdict: 'denied', sentence: text(sentence) }
  }
}

function tellOutcome(data: Json): Told {
  const { action, status, code, message } = data
  const what = `finished ${bare(action)}`
  if (status === 'done') return { what, tone: 'good', verdict: 'done' }
  const why = [text(code), text(message)].filter((part) => part !== '').join(': ')
  return { what, tone: 'bad', verdict: text(status), ...(why === '' ? {} : { sentence: why }) }
}

const sentenceOf = (reason: unknown): { readonly sentence?: string } =>
  text(reason) === '' ? {} : { sentence: text(reason) }

/** An alert of a later release is told by its kind. */
function tellAlert(data: Json): Told {
  const sentence = text(data.detail)
  return {
    what: alertWords(text(data.kind), text(data.log), text(data.witness)),
    tone: 'bad',
    verdict: 'alert',
    ...(sentence === '' ? {} : { sentence }),
  }
}

function alertWords(kind: string, log: string, witness: string): string {
  switch (kind) {
    case 'fork':
      return `found a fork of the log ${log}`
    case 'rollback':
      return `found the log ${log} rolled back`
    case 'gap':
      return `found a gap in the log ${log}`
    case 'unknown-signer':
      return `found the log ${log} signed by an unknown key`
    case 'witness-ahead':
      return `found the witness ${witness} ahead of the log ${log}`
    case 'bad-witness':
      return `got an answer from the witness ${witness} of the log ${log} that no honest one gives`
    default:
      return `raised the alert ${kind} about the log ${log}`
  }
}

/** Nothing lost is routine; a fallback is worth a word, and a loss more than that. */
function tellFlow(data: Json): Told {
  const analyzed = count(record(data.analysis).analyzed)
  const what = `carried the analysis of ${counted(analyzed, 'repository', 'repositories')} to attestation, archive, dashboard and swarm`
  const level = text(data.degradationLevel)
  if (level === 'none') return plain(what)
  return { what, tone: 'bad', verdict: `degraded: ${level}`, sentence: text(data.degradationReason) }
}

function tellScrub(data: Json): Told {
  const what = `checked every copy of ${counted(count(data.versions), 'archived version')}`
  const damaged = count(data.damaged)
  const lost = count(data.lost)
  if (damaged > 0 || lost > 0)
    return {
      what: `${what}: ${count(data.repaired)} repaired`,
      tone: 'bad',
      verdict: `${damaged} damaged, ${lost} lost`,
    }
  const away = list(data.unreachable).length
  return away > 0
    ? { what, tone: 'bad', verdict: counted(away, 'copy away', 'copies away') }
    : { what, tone: 'good', verdict: 'whole' }
}

const versionOf = ({ scroll, version }: Json): string =>
  `version ${count(version)} of the scroll ${text(scroll)}`

function forPrincipal({ principal }: Json): string {
  const { kind, id } = (principal ?? {}) as Json
  return id === undefined ? '' : ` for ${text(kind)}:${text(id)}`
}

/** `mirror.analyze@1` -> `mirror.analyze`. */
const bare = (name: unknown): string => text(name).replace(/@\d+$/, '')

function tellRules({ policies, policyCount, mode, cause, reason }: Json): Told {
  const number = policyCount === undefined ? list(policies).length : count(policyCount)
  const rules = `${counted(number, 'rule')} in force (${text(mode)})`
  if (cause !== 'rolled-back') return plain(`put ${rules}`)
  return {
    what: `took the rules back: ${rules} again`,
    tone: 'bad',
    verdict: 'rolled back',
    ...sentenceOf(reason),
  }
}

/** The mode, and what else is said about some. */
function rolloutText(rollout: unknown): string {
  const { mode, actions, policies, share } = (rollout ?? {}) as Json
  const percent = (share as Json | undefined)?.percent
  return [
    text(mode),
    ...(Array.isArray(actions) ? [`${actions.length} of actions`] : []),
    ...(typeof policies === 'object' && policies !== null
      ? [`${Object.keys(policies).length} of policies`]
      : []),
    ...(percent === undefined ? [] : [`${count(percent)} percent`]),
  ].join(', ')
}
