import NetworkTypes

/// What may be deleted although this process never wanted it, by what it can know.
public enum DeletionScope: Hashable, Sendable {
    /// Nothing is known yet: there is no trustworthy journal, and the coordinator has not spoken.
    case nothing
    /// The coordinator has said where all remote blocks are. What runs on this host is not known: its ports, blocks and
    /// filter elements stay.
    case remoteBlocks
    /// The journal knows everything.
    case everything
}

/// Which entries of the kernel are ours, and whether anything may be deleted at all: the one place that decides it.
///
/// | entry | verdict |
/// |---|---|
/// | route or nexthop with our protocol number | ours |
/// | route or nexthop of the kernel itself | ignored |
/// | any other route or nexthop | foreign: left alone and reported, also where it sits on a key of ours |
/// | permanent neighbor on our VXLAN device or on a port | ours |
/// | permanent neighbor elsewhere | foreign |
/// | learned neighbor | ignored; a wanted key replaces it |
/// | VNI of our device, element of our tables | ours |
/// | address | ignored unless wanted: the kernel adds link-local ones by itself |
public struct OwnershipPolicy: Hashable, Sendable {
    /// What may go that is ours and that nobody here ever wanted. What was wanted or written here goes in any case.
    public var deletes: DeletionScope
    /// Our VXLAN device.
    public var device: String

    public init(device: String, deletes: DeletionScope) {
        self.device = device
        self.deletes = deletes
    }

    /// Whether an entry of ours that nobody here ever wanted may go.
    func mayDelete(_ key: KernelKey, _ object: KernelObject?) -> Bool {
        switch deletes {
        case .nothing: false
        case .everything: true
        case .remoteBlocks:
            switch (key, object) {
            case (.nexthop(let id), _), (_, .route(_, _, .nexthop(let id))?):
                DataplaneConfiguration.block(ofNexthop: id) != nil || DataplaneConfiguration.isEcho(nexthop: id)
            default: false
            }
        }
    }

    public enum Verdict: Hashable, Sendable { case ours, foreign, ignored }

    public func verdict(of entry: ObservedObject) -> Verdict { verdict(of: entry.key, from: entry.origin) }

    func verdict(of key: KernelKey, from origin: Origin) -> Verdict {
        switch origin {
        case .routing(let number):
            number == DataplaneConfiguration.routeProtocol ? .ours : number == Self.kernelProtocol ? .ignored : .foreign
        case .neighbor(let permanent): neighborVerdict(key, permanent: permanent)
        case .plain: if case .address = key { .ignored } else { .ours }
        }
    }

    /// RTPROT_KERNEL of linux/rtnetlink.h.
    private static let kernelProtocol: UInt8 = 2

    private func neighborVerdict(_ key: KernelKey, permanent: Bool) -> Verdict {
        guard case .neighbor(let name, _) = key, permanent else { return .ignored }
        return name == device || Self.isPort(name) ? .ours : .foreign
    }

    /// `sni` and six hexadecimal digits (``Port/name``).
    static func isPort(_ name: String) -> Bool {
        name.utf8.count == 9 && name.hasPrefix("sni")
            && name.utf8.dropFirst(3).allSatisfy { digit in
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(digit)
            }
    }
}
