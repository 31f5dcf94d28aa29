// `polity prove SEQ`: an entry and its proof as one file that anyone can verify offline.

import { formatProofFile, type ProofFile } from '../../../kernel/audit/proof-file.ts'
import { asPolityError } from '../../../kernel/errors.ts'
import type { Call } from '../command.ts'
import type { ExitCode } from '../exit-codes.ts'
import { usage } from '../failure.ts'
import type { HubClient } from '../hub-client.ts'
import { runningHub } from '../hub-or-folder.ts'
import { writeOut } from '../out-file.ts'
import { placeOf } from '../settings.ts'
import { openStoredLog } from '../stored-log.ts'

export async function run(call: Call): Promise<ExitCode> {
  const seq = Number(call.args[0])
  if (!/^\d+$/.test(call.args[0] ?? '') || !Number.isSafeInteger(seq))
    throw usage('SEQ is the number of an entry, from 0')
  const hub = await runningHub(call.settings)
  return writeOut(
    call,
    formatProofFile(hub === undefined ? await proveFromFolder(call, seq) : await proveFromHub(hub, seq)),
  )
}

async function proveFromHub(hub: HubClient, seq: number): Promise<Omit<ProofFile, 'format'>> {
  return {
    entry: await hub.text(`/v1/log/entries/${seq}`, { mediaType: 'application/cloudevents+json' }),
    proof: await witnessedProof(hub, seq),
    vkey: (await hub.text('/log/vkey')).trim(),
  }
}

/** Under a checkpoint that witnesses have cosigned, where one covers the entry; else under the newest. */
async function witnessedProof(hub: HubClient, seq: number): Promise<string> {
  try {
    return await hub.text(`/log/proof/${seq}?witnessed`)
  } catch (error) {
    const { code } = asPolityError(error)
    if (code !== 'witness.none' && code !== 'witness.pending') throw error
    return hub.text(`/log/proof/${seq}`)
  }
}

async function proveFromFolder({ options, settings }: Call, seq: number): Promise<Omit<ProofFile, 'format'>> {
  const log = await openStoredLog(
    placeOf(settings),
    typeof options.anchor === 'string' ? options.anchor : undefined,
  )
  try {
    return { ...(await log.prove(seq)), vkey: log.vkey }
  } finally {
    await log.close()
  }
}
