// Fills a log with what governed writes leave in it: a decision, the document with its private value, the outcome.

import { join } from 'node:path'
import { ActionDecided, ActionFinished } from '../src/kernel/catalog/records.ts'
import { sealEntry } from '../src/kernel/log/entry.ts'
import type { Proposal } from '../src/kernel/log/proposal.ts'
import { openRealm } from '../src/kernel/realm/open-realm.ts'
import type { Realm } from '../src/kernel/realm/realm.ts'
import { DocumentWritten } from '../src/modules/state/contract.ts'
import { state } from '../src/modules/state/module.ts'
import { env } from './fill-log.ts'

/** Documents that the writes are spread over, so that most rows of the view are written several times. */
const DOCUMENTS = 100_000
const IN_FLIGHT = 256

export const openGovernedRealm = (dir: string, anchorPath: string): Promise<Realm> =>
  openRealm({
    name: 'main',
    dir: join(dir, 'data'),
    anchorPath,
    contracts: [{ url: state.contractUrl, exports: state.contract }],
    env,
    onFailure: (error) => {
      throw error
    },
  })

/** Appends governed writes until the log holds `entries`; the last one may be cut short. */
export async function fillGoverned(realm: Realm, entries: number): Promise<void> {
  let next = realm.log.head().size
  const worker = async () => {
    while (next < entries) {
      const at = next
      next += 3
      await realm.log.append(governedWrite(at))
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker))
}

const DIGEST = `sha256:${'0'.repeat(64)}`

function governedWrite(number: number): Proposal {
  const decision = env.id()
  const document = { namespace: 'bench', key: `document-${(number * 7919) % DOCUMENTS}` }
  const shared = { actor: 'user:bench', correlationid: decision }
  const source = { source: 'polity://main/bench' }
  const written = sealEntry(
    DocumentWritten(
      { ...document, value: { number, text: 'x'.repeat(64) } },
      { ...shared, subject: `state/${document.namespace}/${document.key}` },
    ),
    source,
    env,
  )
  const decided = ActionDecided(
    {
      decision,
      action: 'state.put@1',
      resource: 'state/bench',
      risk: 'low',
      effect: 'allow',
      mode: 'enforce',
      solo: true,
      reasons: ['permit-low-risk'],
      obligations: [],
      errors: [],
      sentence: 'allowed by permit-low-risk',
      inputDigest: DIGEST,
      bundle: DIGEST,
      entities: DIGEST,
      context: { ...document, risk: 'low' },
      requests: [{ principal: 'user:bench' }],
      engine: { name: 'cedar', version: '4.13.0' },
    },
    shared,
  )
  const finished = ActionFinished({ decision, action: 'state.put@1', status: 'done' }, shared)
  return {
    entries: [sealEntry(decided, source, env).text, written.text, sealEntry(finished, source, env).text],
    seals: [{ subject: written.vaultSubject, openings: written.openings }],
  }
}
