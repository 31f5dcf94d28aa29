// Cancels a run in the name of the hub: what a parent had started ends with it.

import { HUB_ACTOR, recordAsHub } from '../catalog/hub-records.ts'
import { asPolityError } from '../errors.ts'
import type { WorkingWrite } from '../log/proposal.ts'
import { CONTROL_KEPT_MS, NO_CONTROL, RUNS_CONTROL, readControls } from './control.ts'
import type { LifePorts } from './life.ts'
import { loadRun } from './load-run.ts'
import { patiently } from './patient-append.ts'
import { cancelRun } from './requests.ts'
import { isEnded, RUNS, runWrite } from './run.ts'

const CANCEL_ATTEMPTS_MAX = 16

/** A parent that ends has its runs end too. Whoever changes the rows in between is waited for by trying again. */
export async function cancelAsHub(ports: LifePorts, id: string, reason: string): Promise<void> {
  const { reader, env, closing } = ports
  for (let attempt = 1; ; attempt++) {
    const found = await patiently(env, closing, () => loadRun(reader, id))
    if (!found || isEnded(found.row)) return
    const control = (await readControls(reader, [id])).get(id) ?? NO_CONTROL
    const { version, ...row } = control
    const change = cancelRun({ run: found.row, control: row }, reason, HUB_ACTOR)
    if (change.facts.length === 0) return
    const expiresAtMs = env.now() + CONTROL_KEPT_MS
    const rows: WorkingWrite[] = change.run ? [runWrite(change.run)] : []
    if (change.control)
      rows.push({ table: RUNS_CONTROL, key: id, value: JSON.stringify(change.control), expiresAtMs })
    const expect = [
      { table: RUNS, key: id, version: found.version },
      { table: RUNS_CONTROL, key: id, version },
    ]
    try {
      await recordAsHub(ports, change.facts, { rows, expect }, { isReserved: true })
      return
    } catch (error) {
      if (asPolityError(error).code !== 'expectation.failed' || attempt === CANCEL_ATTEMPTS_MAX) throw error
    }
  }
}
