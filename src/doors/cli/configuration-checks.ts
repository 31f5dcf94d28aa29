// What a doctor says of the configuration that the next start here would take: whether it would, and whether what it names is there.

import type { Layers } from '../../kernel/config/layers.ts'
import { readSources } from '../../kernel/config/sources.ts'
import { asPolityError } from '../../kernel/errors.ts'
import { readBundleFiles } from '../../kernel/gate/bundle-files.ts'
import { resolveSecret } from '../../kernel/secrets/secrets.ts'
import type { Call, Ports } from './command.ts'
import { configuredSettings, isReference, type Settings } from './settings.ts'
import { fail, ok, type Verdict, warn } from './verdict.ts'

export interface Configured {
  /** As the configuration says; as the line alone does, where it would be refused. */
  readonly settings: Settings
  /** What the setting of this flag of `polity up` says: `anchor` of `--anchor`. */
  text(flag: string): string | undefined
  readonly verdicts: readonly Verdict[]
}

/** Never rejects: what is wrong is a finding, and the other checks go on with what the line says. */
export async function checkConfiguration(call: Call): Promise<Configured> {
  const program = await call.ports.loadSettings()
  try {
    const { layers, files, warnings } = readSources(await call.sources())
    const text = textsOf(layers, program)
    const settings = await configuredSettings(call.settings, layers, program).catch(() => call.settings)
    const set = [...layers.values()].filter(({ origin }) => origin.kind !== 'default').length
    return {
      settings,
      text,
      verdicts: [
        ok(saidOf(set, files)),
        ...warnings.map((warning) => warn(warning, '`polity config show --next` shows what is in force')),
        ...(await referencesIn(layers)),
        ...(await rulesAt(text('policy'))),
      ],
    }
  } catch (error) {
    const { settings } = call
    const todo = 'a hub would not start with it: mend it, and try with `polity config check FILE`'
    return { settings, text: () => undefined, verdicts: [fail(asPolityError(error).message, todo)] }
  }
}

const saidOf = (set: number, files: readonly string[]): string =>
  set === 0
    ? 'nothing is set, all is as it comes'
    : `${set === 1 ? '1 setting' : `${set} settings`} of ${[...files, 'the environment'].join(', ')} and the line`

const textsOf =
  (layers: Layers, { table }: Awaited<ReturnType<Ports['loadSettings']>>) =>
  (flag: string): string | undefined => {
    const key = table.settings.find((each) => each.flag === flag)?.key
    const value = key === undefined ? undefined : layers.get(key)?.value
    return typeof value === 'string' && value !== '' ? value : undefined
  }

/** Those that somebody has said: the default ones are for whoever uses what they belong to. */
async function referencesIn(layers: Layers): Promise<Verdict[]> {
  const verdicts: Verdict[] = []
  for (const [key, { value, origin }] of layers) {
    if (origin.kind === 'default' || typeof value !== 'string' || !isReference(value)) continue
    try {
      await resolveSecret(value)
    } catch (error) {
      const todo = `${key} needs it where the hub runs: set it there, or name another with the key`
      verdicts.push(warn(`${key}: ${asPolityError(error).message}`, todo))
    }
  }
  return verdicts
}

async function rulesAt(folder: string | undefined): Promise<Verdict[]> {
  if (folder === undefined) return []
  try {
    await readBundleFiles(folder)
    return []
  } catch (error) {
    return [
      fail(
        asPolityError(error).message,
        `\`polity gate check --rules ${folder}\` says what is wrong with them`,
      ),
    ]
  }
}
