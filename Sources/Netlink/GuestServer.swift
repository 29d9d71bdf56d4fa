import CNetlinkShim
import Dispatch
import Glibc
public import NetworkTypes

/// A datagram of a VM to its host, or the host's to a VM.
public struct GuestDatagram: Hashable, Sendable {
    public enum Channel: Hashable, Sendable, CaseIterable {
        /// UDP over IPv4, to port 67.
        case dhcp4
        /// UDP over IPv6, to port 547.
        case dhcp6
        /// Router solicitations; from the host, whatever ICMPv6.
        case router
    }

    public var channel: Channel
    /// Interface index of the VM's port.
    public var port: Int
    /// The VM's end.
    public var peer: IPAddress
    /// UDP port of the VM's end; 0 for ``Channel/router``.
    public var peerPort: UInt16
    /// The host's end.
    public var local: IPAddress
    /// As it arrived; nil over IPv4.
    public var hopLimit: Int?
    public var bytes: [UInt8]
    /// Of an answer over IPv6 to a link-local address of the VM's own choice: where it is, so that nobody has to ask.
    public var link: MACAddress?
    public init(
        channel: Channel, port: Int, peer: IPAddress, peerPort: UInt16, local: IPAddress, hopLimit: Int? = nil,
        bytes: [UInt8], link: MACAddress? = nil
    ) {
        self.channel = channel
        self.port = port
        self.peer = peer
        self.peerPort = peerPort
        self.local = local
        self.hopLimit = hopLimit
        self.bytes = bytes
        self.link = link
    }
}

/// The host's ear for what VMs ask: one socket per kind of question for all ports of the overlay.
///
/// It opens no window: the filter lets in what it describes (``NFTStructure``), bounded per port, and a socket takes
/// nothing else. Answers are made on the server's own queue, one question after the other.
public final class GuestServer: @unchecked Sendable {
    /// Longest question; what is longer is dropped.
    private static let lengthMax = 2048
    /// Questions that are answered before the queue is given back.
    private static let batchMax = 64

    private let queue = DispatchQueue(label: "outrider.guests")
    // Used on the queue only, but for the descriptors, which never change.
    private let sockets: [GuestDatagram.Channel: GuestSocket]
    private var sources: [any DispatchSourceProtocol] = []

    /// - Parameters:
    ///   - sockets: of the overlay's namespace.
    ///   - interval: of announcements; the first comes at once.
    ///   - announce: what to send at that interval without being asked; runs on the server's queue.
    ///   - answer: what to send for a question; runs on the server's queue and must not wait.
    /// - Throws: ``NetlinkError/isBusy`` when somebody else has one of the UDP ports there.
    public init(
        in sockets: NamespaceSockets, every interval: Duration,
        announce: @escaping @Sendable () -> [GuestDatagram],
        answer: @escaping @Sendable (GuestDatagram) -> [GuestDatagram]
    ) throws(NetlinkError) {
        var opened: [GuestDatagram.Channel: GuestSocket] = [:]
        for channel in GuestDatagram.Channel.allCases { opened[channel] = try GuestSocket(channel, in: sockets) }
        self.sockets = opened
        for socket in opened.values {
            let source = DispatchSource.makeReadSource(fileDescriptor: socket.fd, queue: queue)
            source.setEventHandler { [weak self] in
                for _ in 0..<Self.batchMax {
                    guard let self, let question = socket.receive(lengthMax: Self.lengthMax) else { return }
                    for datagram in answer(question) { self.sockets[datagram.channel]?.send(datagram) }
                }
            }
            source.setCancelHandler { socket.close() }
            source.activate()
            sources.append(source)
        }
        let timer = DispatchSource.makeTimerSource(queue: queue)
        timer.schedule(deadline: .now(), repeating: interval / .seconds(1), leeway: .seconds(1))
        timer.setEventHandler { [weak self] in
            for datagram in announce() { self?.sockets[datagram.channel]?.send(datagram) }
        }
        timer.activate()
        sources.append(timer)
    }

    /// Closes the sockets.
    public func stop() { for source in sources { source.cancel() } }

    deinit { stop() }
}

/// One of the server's sockets. Used on the server's queue.
private final class GuestSocket: @unchecked Sendable {
    let fd: Int32
    /// For answers that name the VM's link-layer address: packets leave there, and nothing comes in.
    private let packets: Int32?
    private let channel: GuestDatagram.Channel
    private var family: Int32 { channel == .dhcp4 ? AF_INET : AF_INET6 }

    init(_ channel: GuestDatagram.Channel, in sockets: NamespaceSockets) throws(NetlinkError) {
        self.channel = channel
        switch channel {
        case .dhcp4: fd = try sockets.open(domain: AF_INET, type: Int32(SOCK_DGRAM.rawValue), protocol: 0)
        case .dhcp6: fd = try sockets.open(domain: AF_INET6, type: Int32(SOCK_DGRAM.rawValue), protocol: 0)
        case .router:
            fd = try sockets.open(domain: AF_INET6, type: Int32(SOCK_RAW.rawValue), protocol: Int32(IPPROTO_ICMPV6))
        }
        do throws(NetlinkError) {
            let result =
                switch channel {
                case .dhcp4: outrider_udp_serve(fd, AF_INET, 67)
                case .dhcp6: outrider_udp_serve(fd, AF_INET6, 547)
                case .router: outrider_icmp6_serve(fd)
                }
            _ = try checked(result, "serve VMs in", sockets.namespace.path)
            packets =
                channel == .dhcp6
                ? try sockets.open(domain: AF_PACKET, type: Int32(SOCK_DGRAM.rawValue), protocol: 0) : nil
        } catch {
            Glibc.close(fd)
            throw error
        }
    }

    /// The next question; nil when there is none. What can't be read is passed over.
    func receive(lengthMax: Int) -> GuestDatagram? {
        while true {
            var raw = outrider_datagram()
            var bytes = [UInt8](repeating: 0, count: lengthMax)
            let count = unsafe bytes.withUnsafeMutableBufferPointer { buffer in
                unsafe outrider_datagram_receive(fd, family, buffer.baseAddress, buffer.count, &raw)
            }
            if count == -Int(EMSGSIZE) || count == -Int(EINTR) { continue }
            guard count >= 0 else { return nil }
            bytes.removeLast(bytes.count - count)
            guard let peer = address(content(raw.peer)), let local = address(content(raw.local)), raw.index > 0 else {
                continue
            }
            return GuestDatagram(
                channel: channel, port: Int(raw.index), peer: peer, peerPort: raw.port, local: local,
                hopLimit: raw.hop_limit >= 0 ? Int(raw.hop_limit) : nil, bytes: bytes)
        }
    }

    private func address(_ bytes: [UInt8]) -> IPAddress? {
        channel == .dhcp4
            ? IPv4Address(bytes: Array(bytes.prefix(4))).map(IPAddress.v4) : IPv6Address(bytes: bytes).map(IPAddress.v6)
    }

    /// A client that hears no answer asks again: what can't be sent is left out.
    func send(_ datagram: GuestDatagram) {
        if let packets, let link = datagram.link, let packet = UDPPacket.bytes(of: datagram) {
            _ = unsafe outrider_packet_send(packets, Int32(datagram.port), link.bytes, packet, packet.count)
            return
        }
        var raw = outrider_datagram()
        raw.index = Int32(datagram.port)
        raw.port = datagram.peerPort
        fill(&raw.peer, with: datagram.peer.bytes)
        fill(&raw.local, with: datagram.local.bytes)
        _ = unsafe outrider_datagram_send(fd, family, datagram.bytes, datagram.bytes.count, &raw)
    }

    func close() {
        Glibc.close(fd)
        if let packets { Glibc.close(packets) }
    }
}
