// Writes the table of settings into docs/configuration.md, from their declarations.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { flagText, type Setting } from '../src/kernel/config/setting.ts'
import { SETTINGS } from '../src/settings.ts'

const PAGE = join(import.meta.dirname, '../docs/configuration.md')
const PLACE = /<!-- settings -->\n[\s\S]*?<!-- \/settings -->/

/** One row per setting, as it stands in docs/configuration.md. */
export function documentation(): string {
  const rows = SETTINGS.settings.map((setting) =>
    [`\`${setting.key}\``, meaningOf(setting), defaultOf(setting), namesOf(setting), reachOf(setting)].join(
      ' | ',
    ),
  )
  return [
    '| key | what it is | default | variable, flag | reach |',
    '| --- | --- | --- | --- | --- |',
    ...rows.map((row) => `| ${row.replaceAll('\n', ' ')} |`),
  ].join('\n')
}

const meaningOf = ({ summary }: Setting): string => summary.replaceAll('|', '\\|')
const defaultOf = ({ fallback, unset = '' }: Setting): string =>
  fallback === undefined ? unset : `\`${JSON.stringify(fallback)}\``
const namesOf = ({ variable, formerly, aliases = [], flag }: Setting): string =>
  [
    `\`${variable}\``,
    ...(formerly === undefined ? [] : [`\`${formerly}\``]),
    ...aliases.map((each) => `\`${each.variable}\` (${each.meaning})`),
    ...(flag === undefined ? [] : [`\`${flag === 'mirror' ? '--no-mirror' : flagText(flag)}\``]),
  ].join(', ')
const reachOf = ({ reload, isGuarded, isSecret }: Setting): string =>
  [reload, ...(isGuarded === true ? ['guarded'] : []), ...(isSecret ? ['reference'] : [])].join(', ')

if (import.meta.main) {
  const table = `<!-- settings -->\n\n${documentation()}\n<!-- /settings -->`
  writeFileSync(
    PAGE,
    readFileSync(PAGE, 'utf8').replace(PLACE, () => table),
  )
}
