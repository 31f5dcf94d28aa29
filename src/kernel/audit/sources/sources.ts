// Where a log to be verified comes from: a hub's DATA folder, an exported C2SP folder, or a hub's URL.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { PolityError } from '../../errors.ts'
import { DATA_FILES } from '../../log/layout.ts'
import { dataSource } from './data.ts'
import { exportSource } from './export.ts'
import { hubSource } from './hub.ts'
import type { LogSource, OpenSourceOptions } from './port.ts'

export type { LogSource, OpenSourceOptions, ShownCheckpoint } from './port.ts'

/**
 * Opens what `location` names. Throws `not-found` when it is nothing of the three, `hub.unreachable`,
 * `auth.*`, `store.*`, and `verify.failed` when there is a log but no checkpoint.
 */
export async function openSource(location: string, options: OpenSourceOptions): Promise<LogSource> {
  if (/^https?:\/\//i.test(location)) return hubSource(location, options)
  if (existsSync(join(location, DATA_FILES.database))) return dataSource(location, options)
  if (existsSync(join(location, DATA_FILES.checkpoint))) return exportSource(location)
  throw new PolityError('not-found', `${location} is neither a hub's data folder nor an exported log`, {
    path: location,
  })
}
