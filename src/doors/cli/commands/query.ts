// `polity query NAME`: any query of the hub by name, whether or not this CLI knows it.

import { addressOf } from '../address.ts'
import { showAnswer } from '../answer.ts'
import type { Call } from '../command.ts'
import type { ExitCode } from '../exit-codes.ts'
import { openHubClient } from '../hub-client.ts'
import { readJson } from '../values.ts'

export async function run(call: Call): Promise<ExitCode> {
  const { args, options, settings } = call
  const name = args[0] ?? ''
  const input = await readJson(typeof options.input === 'string' ? options.input : '{}', '--input')
  return showAnswer(call, await openHubClient(addressOf(settings)).query(name, input), name)
}
