public import NetworkTypes

/// A change that no kernel state could express; the model is left as it was.
public enum DataplaneError: Error, Hashable, Sendable {
    /// The identifiers do not all have an address in this overlay.
    case outsidePlan(SNIRange, capacity: Int)
    /// VNI 0 is refused by the kernel, and chunk 0 is never handed out.
    case reservedVNI(SNIBlock)
    /// A remote block that points at this host would send its packets in a circle.
    case ownTunnelEndpoint(SNIBlock, IPAddress)
    /// An endpoint of the other address family: no packet has an outer source and destination of two families.
    case otherFamily(SNIBlock, IPAddress, own: IPAddress)
    case portOutsideBlock(SessionNetworkID, SNIBlock)
    /// A group address cannot be an interface's own.
    case groupAddress(SessionNetworkID, MACAddress)
}

extension DataplaneError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .outsidePlan(let range, let capacity):
            "identifiers \(range) have no address in an overlay of \(capacity); shrink the pool or widen overlay-ipv4"
        case .reservedVNI(let block): "block \(block) starts at 0, which the kernel refuses as VNI; exclude chunk 0"
        case .ownTunnelEndpoint(let block, let vtep):
            "remote block \(block) names this host's own tunnel endpoint \(vtep); check that no two agents share a vtep"
        case .otherFamily(let block, let vtep, let own):
            "remote block \(block) is at \(vtep), but this host's tunnel endpoint is \(own); all hosts of an installation need a vtep of one family"
        case .portOutsideBlock(let sni, let block): "port \(sni) is not in its block \(block)"
        case .groupAddress(let sni, let mac): "port \(sni): \(mac) is a group address; give the interface its own"
        }
    }
}
