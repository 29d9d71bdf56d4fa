import FleetProtocol
import NetworkTypes
import SNISpace

/// The third view: what kernels carry, as their agents dumped it. Compared with what the host was told, and only when
/// the dump was made after all of that had reached the kernel.
extension CoordinatorMachine {
    /// More of one kind on one host are counted, not listed.
    static let leaksNamedMax = 16

    func kernel(of id: HostID, _ host: HostLive) -> [Finding] {
        guard let kernel = host.report?.kernel, kernel.position.generation == state.generation,
            kernel.position.term == state.term, kernel.position.revision >= host.sentRevision
        else { return [] }
        let told = view(of: id)
        let local = Set(told.leases.values.map(\.block.first))
        let remote = Set(told.remotes.values.filter { !told.dropped.contains($0.vtep) }.map(\.block))
        let carriedLocal = Set(kernel.localVNIs)
        let carriedRemote = Set(kernel.remoteBlocks)
        return named(carriedLocal.subtracting(local), on: id, "kernel-block-leaked") {
            ("VNI \($0)", "its filter lets in a block that it does not lease", Self.repair)
        }
            + named(local.subtracting(carriedLocal), on: id, "kernel-block-missing") {
                ("VNI \($0)", "its filter lacks a block that it leases", Self.repair)
            }
            + named(carriedRemote.subtracting(remote), on: id, "kernel-route-leaked") {
                ("block \($0)", "it has a nexthop for a block that it was not told of", Self.repair)
            }
            + named(remote.subtracting(carriedRemote), on: id, "kernel-route-missing") {
                ("block \($0)", "it lacks the nexthop of a block that it was told of", Self.repair)
            }
            + named(strayPorts(kernel, of: id), on: id, "port-without-binding") {
                (
                    "SNI \($0)", "a port is there that no binding knows",
                    "outriderctl vm detach on the host, for the VM in the port's alias (ip -d link show sni\($0.hex))"
                )
            }
    }

    private static let repair = "the agent's next audit repairs it; if it stays, look at its log and at 'pending'"

    private func strayPorts(_ kernel: KernelInventory, of id: HostID) -> Set<SessionNetworkID> {
        let known = state.bindings.byHost[id] ?? [:]
        return Set(kernel.ports.filter { known[$0.rawValue] == nil })
    }

    private func named<Key: Comparable>(
        _ keys: Set<Key>, on id: HostID, _ code: String,
        _ words: (Key) -> (object: String, detail: String, remedy: String)
    ) -> [Finding] {
        let sorted = keys.sorted()
        return sorted.prefix(Self.leaksNamedMax).enumerated().map { index, key in
            let (object, detail, remedy) = words(key)
            let rest = sorted.count - Self.leaksNamedMax
            let more = index == Self.leaksNamedMax - 1 && rest > 0 ? ", and \(rest) more of this kind" : ""
            return Finding(
                code: code, object: "\(object) on host \(id)", detail: detail + more, remedy: remedy)
        }
    }
}
