// Every decision of a busy hub, decided again by stock cedar-wasm from nothing but the log and the evidence it names.

import { hash } from 'node:crypto'
import { type AuthorizationAnswer, isAuthorized, policyToJson } from '@cedar-policy/cedar-wasm/nodejs'
import { describe, expect, it } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import { digestOf } from '../../src/kernel/gate/bundle.ts'
import { replayInputs } from '../../src/kernel/gate/replay.ts'
import type { Evidence, Mode } from '../../src/kernel/gate/types.ts'
import { dataPaths, EVIDENCE } from '../../src/kernel/log/layout.ts'
import { sqliteStore } from '../../src/kernel/store/sqlite/sqlite-store.ts'
import { attest } from '../../src/modules/attest/module.ts'
import { state } from '../../src/modules/state/module.ts'
import { entriesOf, openTestHub, owner, ownersAgent, settle, somebody, tempFolder } from './lab/hubs.ts'
import { lab } from './lab/module.ts'

const modules = [lab(), state, attest]

/** Something of everything: allowed, denied in several ways, suspended, failed, solo, by chains of several links. */
async function beBusy(hub: Hub): Promise<void> {
  const service = { kind: 'service' as const, id: 'ci', roles: ['deployer'] }
  const callers = [
    owner,
    somebody,
    ownersAgent,
    { chain: [...somebody.chain, service] },
    { ...owner, scopes: ['state.put'] },
  ]
  await hub.invoke(owner, 'lab.danger', { note: 'alone' })
  for (const [turn, caller] of callers.entries()) {
    const key = `k"\\${turn} é😀`
    await hub.invoke(caller, 'state.put', { namespace: `n${turn}`, key, value: { turn } })
    await hub.invoke(caller, 'lab.work', { steps: 1, secret: 's' })
    await hub.invoke(caller, 'lab.danger', { note: `${turn}` })
    await hub.invoke(caller, 'vault.erase', { subject: `state/n${turn}/${key}` })
    await hub.invoke(caller, 'token.create', {
      kind: 'agent',
      id: `a${turn}`,
      roles: ['owner'],
      scopes: ['state.put'],
      secretDigest: hash('sha256', `token ${turn}`),
    })
    await hub.invoke(caller, 'attest.sign', {
      predicateType: 'https://example.com/x',
      subjects: [{ name: 'a', digest: { sha256: 'ab'.repeat(32) } }],
      predicate: { turn },
    })
    await hub.invoke(caller, 'lab.stumble', { counter: 'c' }).catch(() => undefined)
  }
}

interface Replayed {
  readonly effect: string
  readonly reasons: readonly string[]
}

/** From the description of replayInputs, with nothing of the gate's own judgement. */
function replay(evidence: Evidence, bundle: Uint8Array, entitiesJson: string): Replayed {
  const texts: Record<string, string> = JSON.parse(Buffer.from(bundle).toString()).policies
  const ask = (granted: readonly string[] = []) =>
    replayInputs(evidence, bundle, entitiesJson, granted).map((call) => responseOf(isAuthorized(call)))
  const answers = ask()
  for (const { diagnostics } of answers) expect(diagnostics.errors).toEqual([])
  const reasonsOf = (all: typeof answers) =>
    [...new Set(all.flatMap(({ diagnostics }) => diagnostics.reason))].sort()
  const denying = answers.filter(({ decision }) => decision === 'deny')
  if (denying.length === 0) return { effect: 'allow', reasons: reasonsOf(answers) }
  const reasons = reasonsOf(denying)
  const owed = reasons.map((id) => obligationOf(texts[id] ?? ''))
  const isUnpermitted = denying.some(({ diagnostics }) => diagnostics.reason.length === 0)
  if (isUnpermitted || owed.includes('')) return { effect: 'denied', reasons }
  return { effect: ask(owed).every(({ decision }) => decision === 'allow') ? 'suspended' : 'denied', reasons }
}

function responseOf(answer: AuthorizationAnswer) {
  if (answer.type !== 'success') throw new Error(JSON.stringify(answer.errors))
  return answer.response
}

function obligationOf(text: string): string {
  const parsed = policyToJson(text)
  if (parsed.type === 'failure') throw new Error(text)
  return parsed.json.annotations?.obligation ?? ''
}

describe.each(['enforce', 'enforce-critical', 'log-only'] as const)(
  'decisions of a busy hub (%s)',
  (mode: Mode) => {
    it('are what stock cedar-wasm decides too, in effect and in the policies that decide', async () => {
      const { dir, anchorPath } = tempFolder()
      const hub = await openTestHub('sqlite', { modules, dir, anchorPath, rollout: { mode } })
      await beBusy(hub)
      await settle(hub)
      const decisions = await entriesOf(hub, 'action.decided@1')
      await hub.close()

      const store = sqliteStore(dataPaths(dir).database, 'read')
      const evidenceText = async (digest: string): Promise<string> => {
        const row = (await store.load(EVIDENCE, [digest])).value.get(digest)
        expect(row, `the evidence ${digest}`).toBeDefined()
        const text = JSON.parse(row?.value ?? 'null') as string
        expect(digestOf(text)).toBe(digest)
        return text
      }
      const seen = new Map<string, number>()
      for (const { data } of decisions) {
        const evidence = { ...data, entitiesJson: '' } as unknown as Evidence
        const { effect, reasons } = replay(
          evidence,
          Buffer.from(await evidenceText(evidence.bundle)),
          await evidenceText(evidence.entities),
        )
        const said = { effect: data.wouldEffect ?? data.effect, reasons: data.reasons }
        expect({ effect, reasons }, `${data.action} by ${JSON.stringify(data.requests)}`).toEqual(said)
        seen.set(effect, (seen.get(effect) ?? 0) + 1)
      }
      await store.close()
      expect(decisions.length).toBeGreaterThan(30)
      expect([...seen.keys()].sort()).toEqual(['allow', 'denied', 'suspended'])
      // What the law is made of binds in every mode.
      if (mode === 'log-only')
        for (const { data } of decisions) if (data.modeBy !== 'law') expect(data.effect).toBe('allow')
      expect(decisions.some(({ data }) => data.solo === true)).toBe(true)
    })
  },
)
