import Foundation
import NamespaceKit
import NetworkTypes

/// Everything that is made before the first launch.
struct Topology: Sendable {
    let cluster: Cluster
    let slots: [VMSlot]

    /// Slots beyond the largest number of VMs that the traffic asks for, so that stops under way never block launches.
    static let spareSlots = 12

    static func settings(_ options: DemoOptions) -> ClusterSettings {
        let prefix = "otr-\(getpid())"
        var settings = ClusterSettings(
            prefix: prefix, binaries: options.binaries, directory: NSTemporaryDirectory() + prefix, hosts: 3,
            timeFactor: options.timeFactor)
        settings.coordinatorExtra["block-size"] = "\(blockSize)"
        return settings
    }

    /// Identifiers per block; the messages of a launch are counted by the block around its identifier.
    static let blockSize = 8

    static func build(_ options: DemoOptions, vms: Int) throws(KitError) -> Topology {
        let settings = settings(options)
        let cluster = try Cluster(settings)
        let names = (1...(vms + spareSlots)).map { "\(settings.prefix)-v\($0)" }
        return Topology(cluster: cluster, slots: try VMSlot.make(names))
    }

    func block(around sni: SessionNetworkID) -> SNIBlock? {
        let first = sni.rawValue & ~UInt32(Self.blockSize - 1)
        return SNIBlock(first: SessionNetworkID(unchecked: first), size: Self.blockSize)
    }
}
