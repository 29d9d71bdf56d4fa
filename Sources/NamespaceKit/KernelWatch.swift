import CNamespaceKit
import Foundation
import NetworkTypes
import Synchronization

/// One change of a namespace's tables, as the kernel announced it.
public struct KernelEvent: Sendable {
    public let at: ContinuousClock.Instant
    /// The namespace it happened in.
    public let namespace: String
    /// Message type: rtnetlink's, or `subsystem << 8 | type` of nfnetlink.
    public let type: UInt16
    /// The message without its netlink header.
    public let body: [UInt8]
    /// Process id of the writer's socket, as nlmsg_pid says.
    public let writer: UInt32

    /// True when the bytes stand anywhere in the message: addresses, prefixes and set keys are in network order.
    public func mentions(_ bytes: [UInt8]) -> Bool {
        guard let first = bytes.first, body.count >= bytes.count else { return false }
        for start in 0...(body.count - bytes.count)
        where body[start] == first && body[start..<(start + bytes.count)].elementsEqual(bytes) {
            return true
        }
        return false
    }
}

/// Listens to what the kernels of several namespaces announce: routes, nexthops, tunnel ids, neighbors, links, nf_tables.
///
/// This is the kernel's own word on what was written, independent of the writer's counters.
public final class KernelWatch: Sendable {
    private let events = Mutex<[KernelEvent]>([])
    private let stop = StopFlag()
    private let lost = Atomic<Int>(0)
    private let finished = DispatchSemaphore(value: 0)

    /// RTNLGRP numbers (linux/rtnetlink.h): LINK 1, NEIGH 3, IPV4_ROUTE 7, IPV6_ROUTE 11, NEXTHOP 32, TUNNEL 35.
    private static let routeGroups: [UInt32] = [1, 3, 7, 11, 32, 35]
    /// NFNLGRP_NFTABLES (linux/netfilter/nfnetlink.h).
    private static let nftablesGroup: UInt32 = 7

    public init(namespaces: [String]) throws(KitError) {
        var sockets: [(name: String, descriptor: Int32)] = []
        for name in namespaces {
            let path = NetworkNamespace.path(name)
            for (transport, groups) in [(Int32(0), Self.routeGroups), (12, [Self.nftablesGroup])] {
                let descriptor = try onThreadOfItsOwn { () throws(KitError) in
                    let result = unsafe nskit_socket(path, AF_NETLINK, 3, transport)
                    guard result >= 0 else {
                        throw KitError.system(operation: "netlink socket in \(name)", errno: -result)
                    }
                    return result
                }
                sockets.append((name, descriptor))
                for group in groups {
                    let result = nskit_join_group(descriptor, group)
                    guard result == 0 else { throw .system(operation: "join group \(group)", errno: -result) }
                }
            }
        }
        let opened = sockets
        Thread.detachNewThread { [self] in
            let descriptors = opened.map(\.descriptor)
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while !stop.isRaised {
                guard unsafe nskit_wait_readable(descriptors, descriptors.count, 50_000) == 0 else { continue }
                for (name, descriptor) in opened { while read(name, descriptor, &buffer) {} }
            }
            for descriptor in descriptors { _ = nskit_close(descriptor) }
            finished.signal()
        }
    }

    /// One datagram; false when none is queued.
    private func read(_ name: String, _ descriptor: Int32, _ buffer: inout [UInt8]) -> Bool {
        let count = unsafe nskit_receive(descriptor, &buffer, buffer.count, 0, nil, nil)
        guard count > 0 else {
            if count == -ENOBUFS { lost.add(1, ordering: .relaxed) }
            return false
        }
        let batch = Self.split(buffer[..<Int(count)], at: .now, in: name)
        events.withLock { $0.append(contentsOf: batch) }
        return true
    }

    /// The messages of one datagram (struct nlmsghdr, native byte order).
    private static func split(
        _ bytes: ArraySlice<UInt8>, at moment: ContinuousClock.Instant, in name: String
    ) -> [KernelEvent] {
        func word(_ at: Int) -> UInt32 { (0..<4).reduce(0) { $0 | UInt32(bytes[at + $1]) << UInt32(8 * $1) } }
        var found: [KernelEvent] = []
        var offset = 0
        while offset + 16 <= bytes.count {
            let length = Int(word(offset))
            guard length >= 16, offset + length <= bytes.count else { break }
            let type = UInt16(bytes[offset + 4]) | UInt16(bytes[offset + 5]) << 8
            found.append(
                KernelEvent(
                    at: moment, namespace: name, type: type, body: Array(bytes[(offset + 16)..<(offset + length)]),
                    writer: word(offset + 12)))
            offset += (length + 3) & ~3
        }
        return found
    }

    /// Everything seen so far, in order of arrival.
    public func snapshot() -> [KernelEvent] { events.withLock { $0 } }
    public var count: Int { events.withLock { $0.count } }
    /// Times that the kernel dropped announcements because this listener was too slow; figures are then not complete.
    public var overruns: Int { lost.load(ordering: .relaxed) }

    /// Ends the listening and closes its sockets.
    public func close() {
        guard !stop.isRaised else { return }
        stop.raise()
        finished.wait()
    }
}

extension KernelEvent {
    /// RTM_NEWROUTE/DELROUTE, NEWNEIGH/DELNEIGH, NEWNEXTHOP/DELNEXTHOP, NEWTUNNEL/DELTUNNEL and nf_tables changes.
    ///
    /// Not what the kernel itself says of a neighbor (writer 0): that an entry of the underlay is fresh or stale again.
    public var isTableChange: Bool {
        switch type {
        case 28 where writer == 0: false
        case 24, 25, 28, 29, 104, 105, 120, 121: true
        default: isFilterChange
        }
    }

    /// The value of the first attribute of a type, behind the message's fixed part (struct rtattr: length, type, value).
    public func attribute(_ type: UInt16, after fixed: Int) -> ArraySlice<UInt8>? {
        var offset = fixed
        while offset + 4 <= body.count {
            let length = Int(body[offset]) | Int(body[offset + 1]) << 8
            guard length >= 4, offset + length <= body.count else { return nil }
            let found = (UInt16(body[offset + 2]) | UInt16(body[offset + 3]) << 8) & 0x3FFF
            if found == type { return body[(offset + 4)..<(offset + length)] }
            offset += (length + 3) & ~3
        }
        return nil
    }

    /// NFNL_SUBSYS_NFTABLES: a change of nf_tables.
    public var isFilterChange: Bool { type >> 8 == 10 }
}
