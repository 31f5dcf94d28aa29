// `polity rescue`: whoever owns the folder takes its hub back, offline.

import { userInfo } from 'node:os'
import { systemEnv } from '../../../kernel/env.ts'
import { rescueHub } from '../../../kernel/transfer/rescue.ts'
import { showAnswer } from '../answer.ts'
import type { Call } from '../command.ts'
import { confirm } from '../confirm.ts'
import type { ExitCode } from '../exit-codes.ts'
import { placeOf } from '../settings.ts'
import { requireLog } from '../stored-log.ts'

export async function run(call: Call): Promise<ExitCode> {
  const { options, settings, terminal } = call
  requireLog(placeOf(settings))
  await confirm(call, `Every owner's token of the hub in ${settings.dataDir} will be revoked.`)
  const rescued = await rescueHub(settings.dataDir, {
    env: systemEnv(),
    user: userName(),
    ...(settings.storeUrl === undefined ? {} : { storeUrl: settings.storeUrl }),
    ...(typeof options.reason === 'string' ? { reason: options.reason } : {}),
    ...(options.starterRules === true ? { hasStarterRules: true } : {}),
    ...(typeof options.anchor === 'string' ? { anchorPath: options.anchor } : {}),
  })
  terminal.note(
    rescued.rules === 'starter'
      ? 'the next start has the starter rules in force, and the mode of the configuration'
      : 'the rules stay as they are; with --starter-rules the next start has the starter rules in force',
  )
  return showAnswer(call, rescued)
}

/** A process may run as a user that has no name. */
function userName(): string {
  try {
    return userInfo().username
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`
  }
}
