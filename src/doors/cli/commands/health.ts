// `polity health`: what the hub says of itself.

import { addressOf } from '../address.ts'
import { showAnswer } from '../answer.ts'
import type { Call } from '../command.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { openHubClient } from '../hub-client.ts'

const SERVICE_UNAVAILABLE = 503

export async function run(call: Call): Promise<ExitCode> {
  const health = await openHubClient(addressOf(call.settings)).json('/health', {
    alsoStatus: SERVICE_UNAVAILABLE,
  })
  await showAnswer(call, health, 'health')
  const { status } = (health ?? {}) as { readonly status?: unknown }
  return status === 'ok' ? EXIT.ok : EXIT.failed
}
