// The action whose secret is made here: little enough for every start of the program.

export const CREATE_TOKEN = 'token.create@1'
