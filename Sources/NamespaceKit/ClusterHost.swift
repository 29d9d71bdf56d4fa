import Foundation
public import NetworkTypes

/// One host of a test installation: its machine's namespace, its overlay's namespace, its files.
public struct ClusterHost: Hashable, Sendable {
    public let name: String
    /// The machine's own network namespace.
    public let namespace: String
    /// Made by `outrider-agent netns create`.
    public let overlayNamespace: String
    public let vtep: IPAddress
    let directory: String

    public var stateDirectory: String { directory + "/state" }
    public var socket: String { directory + "/agent.sock" }
    public var configuration: String { directory + "/agent.yaml" }
    public var bootIDFile: String { directory + "/boot-id" }
    public var fingerprintFile: String { directory + "/fingerprint" }
    public var log: String { directory + "/agent.log" }

    /// Writes the files that tell this host from the others on the same machine.
    func writeIdentity(using generator: inout some RandomNumberGenerator) throws(KitError) {
        try makeFolder(stateDirectory)
        try writeFile(bootIDFile, UUID128.random(using: &generator).description + "\n")
        try writeFile(fingerprintFile, "machine-\(name)-\(UUID128.random(using: &generator))\n")
    }
}

func makeFolder(_ path: String) throws(KitError) {
    do {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
        throw .unexpected("cannot make \(path): \(error)")
    }
}

func writeFile(_ path: String, _ text: String) throws(KitError) {
    do {
        try text.write(toFile: path, atomically: true, encoding: .utf8)
    } catch {
        throw .unexpected("cannot write \(path): \(error)")
    }
}
