// The files of a bundle as somebody handed them in: named by the digest of their text, kept with the evidence, and read back.

import { canonicalize } from '../../kit/canonical-json.ts'
import { PolityError } from '../errors.ts'
import { type Bundle, digestOf, loadBundle } from '../gate/bundle.ts'
import { type BundleFile, isPolicyFile, isSchemaFile } from '../gate/bundle-files.ts'
import type { Digest } from '../gate/types.ts'
import { EVIDENCE } from '../log/layout.ts'
import type { StoreReader } from '../store/store.ts'

export interface Source {
  readonly digest: Digest
  /** Canonical JSON of `{ files: [{ name, text }] }` in the order of the names; the bytes that `digest` names. */
  readonly text: string
  readonly files: readonly BundleFile[]
}

/** The order in which files are handed in says nothing. */
export function sourceOf(files: readonly BundleFile[]): Source {
  const sorted = files
    .map(({ name, text }) => ({ name, text }))
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  const [repeated] = sorted.filter(({ name }, at) => sorted[at + 1]?.name === name)
  if (repeated !== undefined)
    throw new PolityError('gate.bundle.invalid', `${repeated.name}:1:1: the file is there twice`, {
      file: repeated.name,
      line: 1,
      column: 1,
    })
  const text = canonicalize({ files: sorted })
  return { digest: digestOf(text), text, files: sorted }
}

/** Errors: `gate.bundle.invalid` with file, line and column. */
export const bundleOfSource = ({ files }: Source): Promise<Bundle> =>
  loadBundle(files.filter(({ name }) => isPolicyFile(name) || isSchemaFile(name)))

/** Throws `gate.rules-lost` when the text is not where the log says it is. */
export async function readSource(reader: Pick<StoreReader, 'load'>, digest: string): Promise<Source> {
  const value = (await reader.load(EVIDENCE, [digest])).value.get(digest)?.value
  const text: unknown = value == null ? undefined : JSON.parse(value)
  if (typeof text !== 'string' || digestOf(text) !== digest)
    throw new PolityError(
      'gate.rules-lost',
      `the text of the rules ${digest} is not in the store: restore it from a backup, or start over with \`polity rescue --starter-rules\``,
      { source: digest },
    )
  const { files } = JSON.parse(text) as { readonly files: readonly BundleFile[] }
  return { digest: digestOf(text), text, files }
}
