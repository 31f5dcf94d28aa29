// `polity gate graduation`: what the rules would have stopped, added up stretch by stretch as far back as is asked.

import { addTallies, EMPTY_TALLY, type Tally } from '../../../kernel/rules/tally.ts'
import { addressOf } from '../address.ts'
import { showAnswer } from '../answer.ts'
import type { Call } from '../command.ts'
import type { ExitCode } from '../exit-codes.ts'
import { openHubClient } from '../hub-client.ts'
import { progressBar } from '../progress-bar.ts'

const GRADUATION = 'gate.graduation@1'

interface Stretch extends Tally {
  readonly from: string
  readonly to: string
  readonly mode: string
  readonly before?: number
}

export async function run(call: Call): Promise<ExitCode> {
  const { options, settings, terminal } = call
  const hub = openHubClient(addressOf(settings))
  const bar = progressBar('counting', terminal.progress, () => performance.now())
  const days = typeof options.days === 'number' ? { days: options.days } : {}
  let tally = EMPTY_TALLY
  let period: Pick<Stretch, 'from' | 'to' | 'mode'> | undefined
  try {
    for (let before: number | undefined, first: number | undefined; ; ) {
      const stretch = (await hub.query(GRADUATION, {
        ...days,
        ...(before === undefined ? {} : { before }),
      })) as Stretch
      period ??= stretch
      tally = addTallies(tally, stretch)
      before = stretch.before
      if (before === undefined) break
      first ??= before
      bar.update(first - before, first, `${tally.looked} decisions`)
    }
  } finally {
    bar.end()
  }
  const { from, to, mode } = period
  return showAnswer(call, { from, to, mode, ...tally }, GRADUATION)
}
