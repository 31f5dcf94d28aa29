// `polity rebuild`: derives every view again from the log, and says whether the stored rows are the same.

import {
  type RebuildOptions,
  type RebuiltView,
  rebuildViews,
  replaceViews,
} from '../../../kernel/audit/rebuild.ts'
import { breakSeal } from '../../../kernel/audit/verify/seal.ts'
import { dataPaths } from '../../../kernel/log/layout.ts'
import { viewsOfContracts } from '../../../kernel/log/upcast.ts'
import type { View } from '../../../kernel/log/view.ts'
import { lockData } from '../../../kernel/realm/data-lock.ts'
import { openStored, type StoredPlace } from '../../../kernel/realm/stored.ts'
import type { Call } from '../command.ts'
import { confirm } from '../confirm.ts'
import { loadContracts } from '../contracts.ts'
import { jsonText } from '../escape.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { untilInterrupted } from '../interrupt.ts'
import { progressBar } from '../progress-bar.ts'
import { placeOf } from '../settings.ts'
import { requireLog } from '../stored-log.ts'
import { tableLines } from '../table.ts'

export async function run(call: Call): Promise<ExitCode> {
  const { options, settings, terminal } = call
  requireLog(placeOf(settings))
  const isReplacing = options.replace === true
  if (isReplacing)
    await confirm(call, `Rows of views in ${settings.dataDir} that differ from the log will be replaced.`)
  const views = viewsOfContracts(await loadContracts())
  const bar = progressBar('rebuilding', terminal.progress, () => performance.now())
  const rebuilt = await untilInterrupted((signal) =>
    (isReplacing ? replace : compare)(placeOf(settings), views, {
      signal,
      onProgress: (done, total) => bar.update(done, total),
    }),
  ).finally(() => bar.end())
  await show(call, rebuilt, isReplacing)
  return isReplacing || rebuilt.every(({ isEqual }) => isEqual) ? EXIT.ok : EXIT.verification
}

async function compare(
  place: StoredPlace,
  views: readonly View[],
  options: RebuildOptions,
): Promise<RebuiltView[]> {
  const { store, close } = await openStored(place, 'read')
  try {
    return await rebuildViews(store, views, options)
  } finally {
    await close()
  }
}

/**
 * Throws `store.locked` or `store.fenced` while a hub runs. The seal of a folder stays broken: only a hub that stops
 * vouches for the whole file.
 */
async function replace(
  place: StoredPlace,
  views: readonly View[],
  options: RebuildOptions,
): Promise<RebuiltView[]> {
  const { database, lock: lockPath } = dataPaths(place.dir)
  const lock = lockData(lockPath)
  try {
    if (place.storeUrl === undefined) breakSeal(database)
    const { store, close } = await openStored(place, 'write')
    try {
      return await replaceViews(store, views, options)
    } finally {
      await close()
    }
  } finally {
    lock.release()
  }
}

async function show(
  { settings, terminal }: Call,
  rebuilt: readonly RebuiltView[],
  isReplaced: boolean,
): Promise<void> {
  const differing = rebuilt.filter(({ isEqual }) => !isEqual)
  if (settings.isJson)
    return terminal.data(jsonText({ views: rebuilt, isReplaced: isReplaced && differing.length > 0 }))
  const verdictOf = ({ isEqual, firstDifference = '' }: RebuiltView) =>
    isEqual ? 'equal' : `${isReplaced ? 'replaced' : 'differs'} from ${firstDifference}`
  const columns = [
    { title: 'view' },
    { title: 'rows', isNumeric: true },
    { title: 'digest' },
    { title: 'stored' },
  ]
  const rows = rebuilt.map((each) => [
    each.view,
    String(each.rows),
    each.digest.slice(0, 16),
    verdictOf(each),
  ])
  for (const line of tableLines(columns, rows, terminal.width)) await terminal.data(line)
  if (differing.length > 0 && !isReplaced)
    terminal.note(
      `${differing.length} of ${rebuilt.length} views are not what the log says: stop the hub, then \`polity rebuild --replace\``,
    )
}
