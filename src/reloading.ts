// Reads the configuration again while the hub runs: on SIGHUP, and when a file has changed.

import type { Supervisor } from './boot/supervisor.ts'
import type { Hub } from './hub.ts'
import { type Configuration, digestOf } from './kernel/config/configuration.ts'
import { readSources, type SourceOptions } from './kernel/config/sources.ts'
import { asPolityError } from './kernel/errors.ts'
import { oneAfterAnother } from './kernel/turns.ts'

export interface Reloading {
  /** Answers in a sentence what came of it. Never rejects. */
  reload(): Promise<string>
  /** Files have changed. */
  onChange(): void
  onReload(listener: (sentence: string) => void): void
}

/** The hub as a principal: what it does by itself is decided like anybody's action. */
const HUB = { chain: [{ kind: 'hub', id: 'polity', roles: [] }] } as const

export function openReloading(
  hub: Hub,
  configuration: Configuration,
  sources: SourceOptions,
  supervisor: Supervisor,
  url: string,
): Reloading {
  let tell: (sentence: string) => void = () => undefined
  const inTurn = oneAfterAnother()
  /** What was last refused: looking again would say the same. */
  let refused: string | undefined
  const reload = () =>
    inTurn(async () => {
      refused = newsIn(sources, configuration).refusal
      await supervisor.reloading()
      const sentence = await reloaded(hub).catch(
        (error: unknown) =>
          `the configuration stays as it was: ${asPolityError(error).message} (${asPolityError(error).code})`,
      )
      await supervisor.ready(`listening at ${url}`)
      return sentence
    })
  return {
    reload,
    onChange() {
      // Files that were read on a signal, or written by the hub itself, are no news.
      const { isNew, refusal } = newsIn(sources, configuration)
      if (isNew && (refusal === undefined || refusal !== refused))
        void reload().then((sentence) => tell(sentence))
    },
    onReload: (listener) => {
      tell = listener
    },
  }
}

/** Whether the sources say anything else than what is in force; what is refused is news, too. */
function newsIn(
  sources: SourceOptions,
  configuration: Configuration,
): { readonly isNew: boolean; readonly refusal?: string } {
  try {
    return { isNew: digestOf(sources.table, readSources(sources).layers) !== configuration.digest() }
  } catch (error) {
    return { isNew: true, refusal: asPolityError(error).message }
  }
}

interface Outcome {
  readonly status: 'changed' | 'unchanged' | 'rolled-back'
  readonly changes: readonly { readonly key: string }[]
  readonly restart: readonly string[]
  readonly reason?: string
}

async function reloaded(hub: Hub): Promise<string> {
  const answer = await hub.invoke(HUB, 'config.reload', {})
  if (answer.status !== 'done')
    return `the configuration stays as it was: ${'sentence' in answer ? answer.sentence : 'the change is still under way'}`
  const { status, changes, restart, reason } = answer.output as Outcome
  if (status === 'unchanged') return 'the configuration is as it was'
  if (status === 'rolled-back') return `the configuration was taken back: ${reason}`
  const live = changes.map(({ key }) => key).filter((key) => !restart.includes(key))
  return [
    live.length > 0 ? `changed: ${live.join(', ')}` : 'nothing changed while the hub runs',
    ...(restart.length > 0 ? [`waiting for a restart: ${restart.join(', ')}`] : []),
  ].join('; ')
}
