// Imports a package from the node_modules of this folder.
export const importPeer = (name) => import(name)
