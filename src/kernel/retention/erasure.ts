// The erasure report: what erasing a subject destroyed or would destroy, and what in the log refers to it.

import { Buffer } from 'node:buffer'
import { setImmediate } from 'node:timers/promises'
import { canonicalize } from '../../kit/canonical-json.ts'
import { type Envelope, signEnvelope } from '../../kit/dsse.ts'
import type { QueryContext } from '../catalog/context.ts'
import { ActionDecided } from '../catalog/records.ts'
import { type Entry, parseEntry } from '../log/entry.ts'
import type { Realm } from '../realm/realm.ts'
import { commitmentsIn } from '../schema/privacy.ts'
import type { Static } from '../schema/schema.ts'
import { erasures } from '../system/contract.ts'
import { keyidOf } from '../system/genesis.ts'
import { VAULT_KEYS } from '../vault/vault.ts'
import type { ErasureReport } from './contract.ts'
import { holdsOn } from './policy.ts'

const REPORT_PAYLOAD_TYPE = 'application/vnd.polity.erasure-report+json'

/** Entries that one page looks at, and those it names. */
const SCANNED_MAX = 20_000
const NAMED_MAX = 200
const PAGE_ENTRIES = 1000
/** A decision stands before its facts, in the same proposal; a run's may be further off and is named by its id only. */
const LOOK_BACK = 1024

export type ErasurePorts = Pick<Realm, 'log' | 'reader' | 'vault' | 'statementSigner'>

/** What was pruned cannot be named: a page begins at the minimum index at the earliest. */
export async function erasureReport(
  ports: ErasurePorts,
  ctx: QueryContext,
  { subject, after }: { readonly subject: string; readonly after?: number },
): Promise<{ readonly report: ErasureReport; readonly envelope: Envelope }> {
  const { reader, vault } = ports
  const minimumIndex = await reader.minimumIndex()
  const size = await reader.size()
  await ports.log.published(size)
  const found = await scan(ports, subject, Math.max(after ?? 0, minimumIndex), size)
  // Without its key nothing of a subject opens, even while its payloads are still being dropped.
  const key = (await reader.load(VAULT_KEYS, [subject])).value.get(subject)?.value
  const payloads = key == null ? 0 : await vault.count(subject)
  const past = (await ctx.get(erasures, subject))?.value.last ?? []
  const proven = found.entries[0]?.seq ?? past.at(-1)?.seq
  const report: ErasureReport = {
    subject,
    state: payloads > 0 ? 'stored' : past.length > 0 ? 'erased' : 'unknown',
    payloads,
    erasures: [...past],
    holds: await holdsOn(ctx, subject),
    ...found,
    minimumIndex,
    ...(proven === undefined || proven < minimumIndex
      ? {}
      : { proof: { seq: proven, text: await ctx.log.prove(proven) } }),
    at: ctx.now,
  }
  return { report, envelope: sign(ports, report) }
}

type Found = Pick<ErasureReport, 'entries' | 'decisions' | 'after'>

async function scan(
  { reader }: Pick<ErasurePorts, 'reader'>,
  subject: string,
  from: number,
  size: number,
): Promise<Found> {
  const end = Math.min(size, from + SCANNED_MAX)
  const page = new NamedPage(subject, from)
  let next = Math.max(0, from - LOOK_BACK)
  while (next < end && !page.isFull) {
    const stored = await reader.entries({ from: next, to: end, limit: PAGE_ENTRIES })
    for (const { seq, bytes } of stored) {
      if (page.isFull) break
      page.add(parseEntry(seq, bytes))
      next = seq + 1
    }
    if (stored.length === 0) break
    await setImmediate()
  }
  return { ...page.found(), ...(from < next && next < size ? { after: next } : {}) }
}

/** The entries of a subject from some entry on, and the decisions that name the same private values. */
class NamedPage {
  readonly #subject: string
  readonly #from: number
  readonly #entries: ErasureReport['entries'] = []
  readonly #commitments = new Set<string>()
  readonly #decided: Entry[] = []

  constructor(subject: string, from: number) {
    this.#subject = subject
    this.#from = from
  }

  get isFull(): boolean {
    return this.#entries.length === NAMED_MAX
  }

  add(entry: Entry): void {
    if (entry.type === ActionDecided.name) this.#decided.push(entry)
    if (entry.seq < this.#from || (entry.subject ?? entry.source) !== this.#subject) return
    const references = commitmentsIn(entry.data)
    for (const each of references) this.#commitments.add(each)
    this.#entries.push(namedEntry(entry, references.length))
  }

  found(): Pick<Found, 'entries' | 'decisions'> {
    const decisions = this.#decided.flatMap((entry) => namedDecision(entry, this.#commitments))
    return { entries: this.#entries, decisions }
  }
}

const namedEntry = (
  { seq, type, time, causationid }: Entry,
  references: number,
): ErasureReport['entries'][number] => ({
  seq,
  type,
  time,
  references,
  ...(causationid === undefined ? {} : { decision: causationid }),
})

/** The first fact that records a value of the input takes its commitment over, so both name the same one. */
function namedDecision({ seq, data }: Entry, commitments: ReadonlySet<string>): ErasureReport['decisions'] {
  const { decision, action, input } = data as Static<typeof ActionDecided.schema>
  return commitmentsIn(input).some((each) => commitments.has(each)) ? [{ seq, decision, action }] : []
}

function sign({ statementSigner }: Pick<ErasurePorts, 'statementSigner'>, report: ErasureReport): Envelope {
  const { key } = statementSigner
  return signEnvelope(REPORT_PAYLOAD_TYPE, Buffer.from(canonicalize(report)), [
    { keyid: keyidOf(key.publicKey), sign: (bytes) => statementSigner.sign(bytes) },
  ])
}
