// A history without a hub, for tests: requests decided by a gate, and kept as a log and its evidence keep them.

import { Buffer } from 'node:buffer'
import { type Decision, decisionDraft } from '../catalog/decide.ts'
import type { Definition } from '../catalog/definition.ts'
import { actorOf } from '../catalog/recorder.ts'
import { systemEnv } from '../env.ts'
import { bundleBytes, loadBundle } from '../gate/bundle.ts'
import { type Gate, openGate } from '../gate/gate.ts'
import { STARTER_SCHEMA } from '../gate/starter-schema.fixture.ts'
import {
  type ActionDefinition,
  type Digest,
  type GateRequest,
  PLAIN_STANDING,
  type Rollout,
} from '../gate/types.ts'
import { type Draft, parseEntry, sealEntry } from '../log/entry.ts'
import type { HistoryPorts } from './history.ts'

const ACTIONS: readonly ActionDefinition[] = [
  { name: 'state.put@1', facts: { sizeBytes: 'integer?', note: 'string?' } },
  { name: 'mirror.analyze@1' },
]

/** When everything happens, unless a test says otherwise. */
const TIME = '2026-11-20T10:00:00.000Z'

const rulesFrom = (text: string) => loadBundle([...STARTER_SCHEMA, { name: 'x.cedar', text }])

export const gateOf = async (text: string, rollout?: Rollout): Promise<Gate> =>
  openGate({
    bundle: await rulesFrom(text),
    actions: ACTIONS,
    ...(rollout === undefined ? {} : { rollout }),
  })

export const asked = (given: Partial<GateRequest> = {}): GateRequest => ({
  chain: [{ kind: 'user', id: 'alice', roles: ['owner'] }],
  action: 'state.put@1',
  resource: 'state/prod/x',
  risk: 'medium',
  facts: {},
  standing: PLAIN_STANDING,
  inScope: true,
  approvals: [],
  solo: false,
  now: '2026-11-20T10:00:00.000Z',
  ...given,
})

interface Kept {
  seq: number
  bytes: Uint8Array
}

/** What a log and its evidence would hold. `entries` and `texts` are there to be tampered with. */
export class KeptHistory implements Pick<HistoryPorts, 'texts'> {
  readonly kept: Kept[] = []
  readonly evidence = new Map<Digest, string>()

  /**
   * As catalog/decide.ts does it: classify, then decide at the risk that was found. Who agreed is known only then, where
   * a run passes it on.
   */
  decide(gate: Gate, request: GateRequest, time = TIME): void {
    const verdict = gate.decide({ ...request, ...gate.classify({ ...request, approvals: [] }) })
    const id = `decision-${this.kept.length}`
    const { evidence } = verdict
    this.evidence.set(evidence.entities, evidence.entitiesJson)
    this.evidence.set(evidence.bundle, Buffer.from(bundleBytes(gate.bundle)).toString())
    const decision: Decision = {
      id,
      verdict,
      resource: request.resource,
      risk: verdict.risk.risk,
      beside: {},
    }
    const draft = decisionDraft(decision, { name: request.action } as Definition, {
      form: {},
      canonical: '{}',
    })
    const env = systemEnv()
    const sealed = sealEntry(
      { ...draft, actor: actorOf(request.chain), time },
      { source: 'polity://test' },
      env,
    )
    this.kept.push({ seq: this.kept.length, bytes: Buffer.from(sealed.text) })
  }

  /** A fact of the rules, as the log holds it. */
  record(draft: Draft, time = TIME): void {
    const sealed = sealEntry({ ...draft, time }, { source: 'polity://test' }, systemEnv())
    this.kept.push({ seq: this.kept.length, bytes: Buffer.from(sealed.text) })
  }

  get ports(): HistoryPorts {
    const { kept } = this
    return {
      size: kept.length,
      async *entries(from, to) {
        for (let at = from; at < to; at += 64) yield kept.slice(at, Math.min(to, at + 64))
      },
      async *law() {
        yield* kept.filter(({ bytes }) => Buffer.from(bytes).includes('"type":"gate.'))
      },
      texts: (digests) => this.texts(digests),
    }
  }

  async texts(digests: readonly Digest[]): Promise<ReadonlyMap<Digest, string>> {
    return new Map(
      digests.flatMap((digest): [Digest, string][] => {
        const text = this.evidence.get(digest)
        return text === undefined ? [] : [[digest, text]]
      }),
    )
  }

  /** Changes what an entry says, as somebody would who has the file. */
  tamper(seq: number, change: (data: Record<string, unknown>) => void): void {
    const kept = this.kept[seq]
    if (kept === undefined) throw new Error(`there is no entry ${seq}`)
    const entry = JSON.parse(Buffer.from(kept.bytes).toString()) as { data: Record<string, unknown> }
    change(entry.data)
    kept.bytes = Buffer.from(JSON.stringify(entry))
    parseEntry(seq, kept.bytes)
  }
}
