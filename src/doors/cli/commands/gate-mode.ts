// `polity gate mode`: how far the rules bind, shown or changed.

import { addressOf } from '../address.ts'
import { showAction, showAnswer } from '../answer.ts'
import type { Call } from '../command.ts'
import { confirm } from '../confirm.ts'
import type { ExitCode } from '../exit-codes.ts'
import { usage } from '../failure.ts'
import { openHubClient } from '../hub-client.ts'

const MODE = 'gate.mode@1'
const ROLLOUT = 'gate.rollout@1'
const MODES = ['log-only', 'enforce-critical', 'enforce']

export async function run(call: Call): Promise<ExitCode> {
  const hub = openHubClient(addressOf(call.settings))
  const change = changeOf(call)
  if (change === undefined) return showAnswer(call, await hub.query(ROLLOUT, {}), ROLLOUT)
  await confirm(call, 'This changes what the rules stop.')
  return showAction(call, hub, await hub.start(MODE, change), MODE)
}

/** The input of the action; undefined where nothing is to change. */
function changeOf({ args, options }: Call): Record<string, unknown> | undefined {
  const [mode] = args
  if (mode !== undefined && !MODES.includes(mode)) throw usage(`the mode is one of ${MODES.join(', ')}`)
  const { action, policy, share, by, seed, reason } = options
  const isRemoved = options.remove === true
  const change = {
    ...(mode === undefined ? {} : { mode }),
    ...(typeof action === 'string' ? { action } : {}),
    ...(typeof policy === 'string' ? policyOf(policy, isRemoved) : {}),
    ...(typeof share === 'number' ? { share } : {}),
    ...(typeof by === 'string' ? { by } : {}),
    ...(typeof seed === 'string' ? { seed } : {}),
    ...(isRemoved ? { isRemoved } : {}),
  }
  if (Object.keys(change).length === 0) return undefined
  return { ...change, ...(typeof reason === 'string' ? { reason } : {}) }
}

/** `no-night=shadow`; to take it back, the id alone. */
function policyOf(text: string, isRemoved: boolean): Record<string, string> {
  const [policy = '', state, ...rest] = text.split('=')
  if (isRemoved && state === undefined) return { policy }
  if (isRemoved || state === undefined || rest.length > 0)
    throw usage(
      isRemoved
        ? '--policy names only the id with --remove'
        : '--policy is ID=STATE; the states are draft, shadow, enforced',
    )
  return { policy, state }
}
