// What an entry of the log says, in words: who did what, what was decided, and what came of it.

import type { Entry } from '../../kernel/log/entry.ts'
import { APPROVAL_WORDS } from './approval-words.ts'
import { escapeText } from './escape.ts'
import type { Told } from './told.ts'

type Data = Entry['data']

/** Types that are told in words; every other one by its name and subject. */
const TELLERS: Readonly<Record<string, (data: Data) => Told>> = {
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
  'system.booted@1': tellBoot,
  'config.changed@1': tellConfiguration,
  'mirror.repository-analyzed@1': ({ name, health, grade }) =>
    plain(`analysed ${text(name)}: health ${tenths(health)}, grade ${text(grade)}`),
  'mirror.repository-failed@1': ({ name, code }) => ({
    what: `could not analyse ${text(name)} (${text(code)})`,
    tone: 'bad',
  }),
  'mirror.repository-forgotten@1': ({ name }) => plain(`had ${text(name)} forgotten`),
  'mirror.health-fell@1': ({ name, health, threshold }) => ({
    what: `found the health of ${text(name)} below ${text(threshold)} (${tenths(health)})`,
    tone: 'bad',
    verdict: 'alert',
  }),
  'mirror.health-recovered@1': ({ name, health }) => ({
    what: `saw the health of ${text(name)} recover to ${tenths(health)}`,
    tone: 'good',
  }),
  'mirror.analysis-completed@1': tellAnalysis,
  'attest.statement-signed@1': ({ subjects }) =>
    plain(`signed an attestation over ${counted(subjects, 'subject', 'subjects')}`),
  'state.document-written@1': ({ namespace, key }) => plain(`wrote ${text(namespace)}/${text(key)}`),
  'identity.token-issued@1': ({ principal }) => plain(`issued a token${forPrincipal(principal)}`),
  'identity.token-revoked@1': ({ id }) => plain(`revoked the token ${text(id)}`),
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
  'log.retention-set@1': ({ days }) => plain(`set that entries stay ${text(days)} days`),
  'log.hold-placed@1': ({ name, reason }) => plain(`placed the hold ${text(name)} (${text(reason)})`),
  'log.hold-released@1': ({ name, reason }) => plain(`released the hold ${text(name)} (${text(reason)})`),
  'log.pruned@1': ({ minimumIndex }) => plain(`pruned the log below entry ${text(minimumIndex)}`),
  'budget.set@1': ({ id, who, measure, limit, window }) =>
    plain(`set the budget ${text(id)} of ${text(who)}: ${text(measure)} ${text(limit)} per ${text(window)}`),
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
      `published the compliance report of ${text(from)} to ${text(to)} as ${text(scroll)} version ${text(version)}`,
    ),
  'trust.reported@1': ({ principal, family, verdict }) =>
    plain(`reported ${text(verdict)} conduct of ${text(principal)} in ${text(family)}`),
  'trust.overridden@1': ({ principal, family, trust, until, reason }) => ({
    what: `set the trust in ${text(principal)} for ${text(family)} to ${text(trust)} thousandths until ${text(until)}`,
    tone: 'wait',
    ...sentenceOf(reason),
  }),
  'trust.override-lifted@1': ({ principal, family }) =>
    plain(`lifted the override of trust in ${text(principal)} for ${text(family)}`),
  'vault.subject-erased@1': ({ subject }) => plain(`erased the private data of ${text(subject)}`),
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
    plain(`put the schedule ${text(name)}: ${bare(action)} at ${text(cron)}`),
  'schedules.removed@1': ({ name }) => plain(`removed the schedule ${text(name)}`),
  'schedules.stopped@1': ({ name, code, message }) => ({
    what: `stopped the schedule ${text(name)}`,
    tone: 'bad',
    verdict: 'stopped',
    sentence: `${text(message)} (${text(code)})`,
  }),
  'schedules.slots-missed@1': ({ name, count, isMore }) => ({
    what: `let ${isMore === true ? 'more than ' : ''}${counted(count, 'time', 'times')} of the schedule ${text(name)} go`,
    tone: 'bad',
    verdict: 'missed',
  }),
  'mirror.analysis.completed@1': tellFlow,
  'counterparts.request-kept@1': ({ service, operation, code }) => ({
    what: `kept ${text(operation)} for ${text(service)}, which did not take it (${text(code)})`,
    tone: 'bad',
    verdict: 'kept',
  }),
  'counterparts.requests-forwarded@1': ({ service, keys }) => ({
    what: `delivered to ${text(service)} what was kept for it: ${counted(Array.isArray(keys) ? keys.length : 0, 'request', 'requests')}`,
    tone: 'good',
  }),
  'counterparts.request-refused@1': ({ service, operation, status }) => ({
    what: `set ${text(operation)} aside, because ${text(service)} refuses it (${text(status)})`,
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
  'components.mass-loss@1': ({ count, total }) => ({
    what: `missed ${text(count)} of ${text(total)} components at once, which may be its own fault, and declares nobody lost meanwhile`,
    tone: 'bad',
    verdict: 'holding',
  }),
  'components.mass-loss-ended@1': ({ outcome, overdue }) =>
    outcome === 'renewals'
      ? { what: 'heard from the components again that it had missed at once', tone: 'good' }
      : {
          what: `gave up waiting for ${text(overdue)} components that it missed at once`,
          tone: 'bad',
          verdict: 'confirmed',
        },
  'components.manifests-applied@1': ({ modules }) =>
    plain(
      `put the manifests of ${counted(Array.isArray(modules) ? modules.length : 0, 'module', 'modules')} in force`,
    ),
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
  'brokers.messages-set-aside@1': ({ name, count, reason }) => ({
    what: `could not use ${counted(count, 'message', 'messages')} of ${text(name)}`,
    tone: 'bad',
    verdict: 'set aside',
    ...sentenceOf(reason),
  }),
  'mesh.event-published@1': ({ type, subject }) =>
    plain(`published ${text(type)}${subject === undefined ? '' : ` about ${text(subject)}`}`),
  'mesh.message-sent@1': ({ type, to, run }) =>
    plain(`sent ${run === undefined ? 'the message' : 'the request'} ${text(type)} to ${text(to)}`),
  'mesh.reply-sent@1': ({ to, request }) => plain(`replied to ${text(to)} (request ${text(request)})`),
  'mesh.type-defined@1': ({ type, major }) => plain(`declared the event type ${text(type)}@${text(major)}`),
  'mesh.subscription-opened@1': ({ name, types }) =>
    plain(`subscribed as ${text(name)} to ${Array.isArray(types) ? types.map(text).join(', ') : 'events'}`),
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
    what: `${mode === 'log-only' ? 'would have kept' : 'kept'} ${text(publisher)} from publishing ${text(type)}${Number(count) > 1 ? ` (${text(count)} times)` : ''}`,
    tone: 'bad',
    verdict: text(code),
  }),
  'mesh.alert-raised@1': ({ type, source }) => ({
    what: `raised an alert because ${text(source)} published ${text(type)}`,
    tone: 'bad',
    verdict: 'alert',
  }),
}

/** Every text in the answer is escaped. */
export function tell({ type, subject, data }: Pick<Entry, 'type' | 'subject' | 'data'>): Told {
  const teller = Object.hasOwn(TELLERS, type) ? TELLERS[type] : undefined
  return teller?.(data) ?? plain(subject === undefined ? text(type) : `${text(type)} on ${text(subject)}`)
}

/** Who acted; an entry that names nobody is the hub's own. */
export const who = ({ actor }: Pick<Entry, 'actor'>): string => text(actor) || 'the hub'

const plain = (what: string): Told => ({ what, tone: 'plain' })

/** An effect that this release does not know is no allowance. */
function tellDecision({ action, resource, effect, sentence, solo, count }: Data): Told {
  const times = typeof count === 'number' && count > 1 ? ` ${count} times` : ''
  const what = `asked for ${bare(action)} on ${text(resource)}${times}`
  if (effect === 'allow') return { what, tone: 'good', verdict: solo === true ? 'allowed, solo' : 'allowed' }
  const why = text(sentence)
  return {
    what,
    ...(effect === 'suspended' ? { tone: 'wait', verdict: 'suspended' } : { tone: 'bad', verdict: 'denied' }),
    ...(why === '' ? {} : { sentence: why }),
  }
}

function tellOutcome({ action, status, code, message }: Data): Told {
  const what = `finished ${bare(action)}`
  if (status === 'done') return { what, tone: 'good', verdict: 'done' }
  const why = [text(message), text(code) && `(${text(code)})`].filter((part) => part !== '').join(' ')
  return { what, tone: 'bad', verdict: text(status) || 'failed', ...(why === '' ? {} : { sentence: why }) }
}

const sentenceOf = (reason: unknown): { readonly sentence?: string } =>
  text(reason) === '' ? {} : { sentence: text(reason) }

function tellAnalysis({ analyzed, failed }: Data): Told {
  const failures = Number(failed)
  const what = `completed an analysis of ${counted(Number(analyzed) + failures, 'repository', 'repositories')}`
  return failures > 0 ? { what, tone: 'bad', verdict: `${failures} failed` } : plain(what)
}

/** An alert of a later release is told by its kind. */
function tellAlert({ kind, log, witness, detail }: Data): Told {
  const sentence = text(detail)
  return {
    what: alertWords(text(kind), text(log), text(witness)),
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
function tellFlow({ degradationLevel, degradationReason, analysis }: Data): Told {
  const { analyzed } = (analysis ?? {}) as { readonly analyzed?: unknown }
  const what = `carried the analysis of ${counted(analyzed, 'repository', 'repositories')} to attestation, archive, dashboard and swarm`
  if (degradationLevel === 'none') return plain(what)
  return {
    what,
    tone: 'bad',
    verdict: `degraded: ${text(degradationLevel)}`,
    ...sentenceOf(degradationReason),
  }
}

function tellScrub({ versions, damaged, repaired, lost, unreachable }: Data): Told {
  const what = `checked every copy of ${counted(versions, 'archived version', 'archived versions')}`
  const away = Array.isArray(unreachable) ? unreachable.length : 0
  if (Number(damaged) > 0 || Number(lost) > 0)
    return {
      what: `${what}: ${text(repaired)} repaired`,
      tone: 'bad',
      verdict: `${text(damaged)} damaged, ${text(lost)} lost`,
    }
  return away > 0
    ? { what, tone: 'bad', verdict: counted(away, 'copy away', 'copies away') }
    : { what, tone: 'good', verdict: 'whole' }
}

const versionOf = ({ scroll, version }: Data): string =>
  `version ${text(version)} of the scroll ${text(scroll)}`

function forPrincipal(principal: unknown): string {
  const { kind, id } = (principal ?? {}) as { readonly kind?: unknown; readonly id?: unknown }
  return id === undefined ? '' : ` for ${text(kind)}:${text(id)}`
}

/** `mirror.analyze@1` -> `mirror.analyze`. */
const bare = (name: unknown): string => text(name).replace(/@\d+$/, '')

/** Values that are no plain text are private or erased: the log holds a reference. */
function text(value: unknown): string {
  if (typeof value === 'string') return escapeText(value)
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return value === undefined || value === null ? '' : '(private)'
}

const tenths = (value: unknown): string => (typeof value === 'number' ? value.toFixed(1) : 'unknown')

const counted = (count: unknown, one: string, several: string): string =>
  `${text(count)} ${count === 1 ? one : several}`

function tellBoot({ release, stages }: Data): Told {
  const fallen = (Array.isArray(stages) ? stages : []).filter((each) => each?.status !== 'passed')
  const what = `started with release ${text(release)}`
  if (fallen.length === 0) return plain(what)
  return {
    what: `${what}, without ${fallen.map((each) => text(each?.stage)).join(', ')}`,
    tone: 'bad',
    verdict: 'degraded',
  }
}

function tellConfiguration({ cause, changes, reason }: Data): Told {
  const keys = (Array.isArray(changes) ? changes : []).map((each) => text(each?.key)).join(', ')
  if (cause === 'rolled-back')
    return {
      what: `took the configuration back: ${keys}`,
      tone: 'bad',
      verdict: 'rolled back',
      ...sentenceOf(reason),
    }
  return plain(`changed the configuration: ${keys}`)
}

function tellRules({ policies, policyCount, mode, cause, reason }: Data): Told {
  const count = policyCount ?? (Array.isArray(policies) ? policies.length : 0)
  const rules = `${counted(count, 'rule', 'rules')} in force (${text(mode)})`
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
  const { mode, actions, policies, share } = (rollout ?? {}) as Data
  const percent = (share as { readonly percent?: unknown } | undefined)?.percent
  return [
    text(mode),
    ...(Array.isArray(actions) ? [`${actions.length} of actions`] : []),
    ...(typeof policies === 'object' && policies !== null
      ? [`${Object.keys(policies).length} of policies`]
      : []),
    ...(percent === undefined ? [] : [`${text(percent)} percent`]),
  ].join(', ')
}
