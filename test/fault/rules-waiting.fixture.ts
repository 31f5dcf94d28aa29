// The rules that a second owner has to agree to, for the process that dies meanwhile and the one that looks at what it left.

import { STARTER_DIR } from '../../src/kernel/gate/bundle.ts'
import { readBundleFiles } from '../../src/kernel/gate/bundle-files.ts'

export const trialRules = async () => [
  ...(await readBundleFiles(STARTER_DIR)),
  {
    name: 'new.cedar',
    text: '@id("new")\nforbid (principal, action == Polity::Action::"vault.erase@1", resource);',
  },
]
