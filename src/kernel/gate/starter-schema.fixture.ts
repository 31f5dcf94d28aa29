// The schema of the starter rules: rules that a test writes itself need one.

import { STARTER_DIR } from './bundle.ts'
import { readBundleFiles } from './bundle-files.ts'

export const STARTER_SCHEMA = (await readBundleFiles(STARTER_DIR)).filter(({ name }) =>
  name.endsWith('.cedarschema'),
)
