// What an entry says, in words: who did what, and what the gate decided.

import { count, type Json, list, number, text } from './json.ts'
import { counted, tenths } from './numbers.ts'
import type { Entry } from './shapes.ts'

/** `good` needs no attention, `bad` does, `wait` waits for a person. */
export type Tone = 'good' | 'bad' | 'wait' | 'plain'

export interface Told {
  /** `asked to run mirror.analyze`: goes on after the actor's name. */
  readonly what: string
  readonly tone: Tone
  /** What was decided or what came of it, in one word. */
  readonly verdict?: string
  /** Why, when it is no routine. */
  readonly sentence?: string
}

/** Types that this page knows; every other one is told by its name and subject. */
const TELLERS: Readonly<Record<string, (data: Json) => Told>> = {
  'action.decided@1': tellDecision,
  'action.finished@1': tellOutcome,
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
  'log.opened@1': (data) => plain(`opened the log ${text(data.origin)}`),
  'gate.bundle-activated@1': (data) =>
    plain(`put ${counted(list(data.policies).length, 'rule')} in force (${text(data.mode)})`),
  'log.retention-set@1': (data) => plain(`set that entries stay ${count(data.days)} days`),
  'log.hold-placed@1': (data) => plain(`placed the hold ${text(data.name)} (${text(data.reason)})`),
  'log.hold-released@1': (data) => plain(`released the hold ${text(data.name)} (${text(data.reason)})`),
  'log.pruned@1': (data) => plain(`pruned the log below entry ${count(data.minimumIndex)}`),
  'vault.subject-erased@1': (data) => plain(`erased the private data of ${text(data.subject)}`),
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

function forPrincipal({ principal }: Json): string {
  const { kind, id } = (principal ?? {}) as Json
  return id === undefined ? '' : ` for ${text(kind)}:${text(id)}`
}

/** `mirror.analyze@1` -> `mirror.analyze`. */
const bare = (name: unknown): string => text(name).replace(/@\d+$/, '')
