import CNetlinkShim
import Glibc
public import NetworkTypes

/// Ports of VMs inside the overlay's namespace. Every verb says what exists already instead of taking it over.
extension RouteSocket {
    /// A veth pair in one message: our end here, the peer born in its own namespace.
    ///
    /// - Parameters:
    ///   - gatewayMAC: address of our end, which the VM sees as its gateway.
    ///   - peerNamespaceFD: open descriptor of the VM's namespace.
    ///   - mtu: bytes, for both ends.
    ///   - alias: mark by which the port is found again.
    ///   - raisesPeer: false leaves the VM's end down, so that its namespace says nothing yet.
    /// - Returns: index of our end, which is up.
    /// - Throws: ``NetlinkError/isExists`` naming the end that exists.
    @discardableResult
    public func createVethPort(
        name: String, gatewayMAC: MACAddress, peerName: String, peerNamespaceFD: Int32, peerMAC: MACAddress, mtu: Int,
        alias: String, raisesPeer: Bool = true
    ) throws(NetlinkError) -> Int {
        let message = try RouteMessage.veth(
            name: name, mac: gatewayMAC, peerName: peerName, peerNamespaceFD: peerNamespaceFD, peerMAC: peerMAC,
            mtu: mtu)
        do throws(NetlinkError) {
            try change(message)
        } catch {
            guard error.isExists else { throw error }
            throw try existing(name: name, peerName: peerName, in: error)
        }
        do throws(NetlinkError) {
            if raisesPeer { try raise(peerName, inNamespace: peerNamespaceFD) }
        } catch {
            _ = try? deleteLink(named: name)
            throw error
        }
        return try finish(name, LinkChange(alias: alias, isUp: true))
    }

    /// Brings the VM's end up before ours, so that ours comes up with a carrier and can send at once.
    ///
    /// The other way round our end waits for the kernel's link watch (net/core/link_watch.c), which needs the network
    /// lock: answers to the VM's first ARP and neighbor solicitation were dropped for up to 11 ms, and the VM asks again
    /// only after a second. The pair can't be born up: the kernel refuses to open an end that has no peer yet.
    private func raise(_ peerName: String, inNamespace descriptor: Int32) throws(NetlinkError) {
        let peer = try RouteSocket(in: NamespaceSockets(path: "/proc/self/fd/\(descriptor)"))
        try peer.changeLink(index: 0, named: peerName, LinkChange(isUp: true))
    }

    /// The kernel's EEXIST does not say which end it means.
    private func existing(name: String, peerName: String, in error: NetlinkError) throws(NetlinkError) -> NetlinkError {
        var error = error
        if try link(named: name) != nil {
            error.advice = "device '\(name)' exists in \(sockets.namespace.path); detach its VM or delete it"
        } else {
            error.object = peerName
            error.advice = "the VM's namespace already has a device '\(peerName)'; delete it or ask for another name"
        }
        return error
    }

    /// A persistent tap, born in the namespace, for a hypervisor to open.
    ///
    /// It keeps the kernel's MTU of 1500 and its routes say the overlay's: a tap cannot be born with another, and each
    /// change makes the kernel walk all IPv6 routes of the namespace (`rt6_mtu_change` of net/ipv6/route.c).
    ///
    /// - Returns: its index; the tap is up.
    @discardableResult
    public func createTapPort(
        name: String, gatewayMAC: MACAddress, alias: String, owner: UInt32? = nil, group: UInt32? = nil
    ) throws(NetlinkError) -> Int {
        let descriptor = try takeTun()
        do throws(NetlinkError) {
            defer { close(descriptor) }
            try NamespaceSockets.makeTap(
                descriptor, name: name, exclusive: true, persistent: true, owner: owner, group: group)
        } catch {
            guard error.isBusy else { throw error }
            throw NetlinkError(
                operation: "create tap", object: name, code: EEXIST,
                advice: "device '\(name)' exists in \(sockets.namespace.path); detach its VM or delete it")
        }
        return try finish(name, LinkChange(alias: alias, mac: gatewayMAC, isUp: true))
    }

    /// Takes over a device that somebody else made: moved here and renamed in one message, so that a name which both
    /// namespaces use does no harm. A tap whose descriptor a process holds open keeps working.
    ///
    /// - Returns: its index here; the port is up.
    /// - Throws: ``NetlinkError/isNotFound`` when the device is not in `source`, ``NetlinkError/isExists`` when `name` is
    ///   taken here.
    @discardableResult
    public func movePort(
        from source: NamespaceSockets, device: String, to name: String, gatewayMAC: MACAddress, mtu: Int, alias: String
    ) throws(NetlinkError) -> Int {
        let origin = try RouteSocket(in: source)
        guard let link = try origin.link(named: device) else {
            throw NetlinkError(
                operation: "move port", object: device, code: ENODEV,
                advice: "no such device in \(source.namespace.path); start the VM first, or name another device")
        }
        if try self.link(named: name) != nil {
            throw NetlinkError(
                operation: "move port", object: device, code: EEXIST,
                advice: "device '\(name)' exists in \(sockets.namespace.path); detach its VM or delete it")
        }
        defer { writes += origin.writes }
        try origin.changeLink(
            index: link.index, named: device, LinkChange(name: name, namespace: sockets.namespace))
        // From here on the device is ours to keep: giving it back half configured would help nobody.
        let index = try finishOrFail(name, LinkChange(alias: alias, mac: gatewayMAC, mtu: mtu, isUp: true))
        return index
    }

    /// Deletes a port; false when there was none.
    @discardableResult
    public func deletePort(named name: String) throws(NetlinkError) -> Bool { try deleteLink(named: name) }

    /// The devices named as ports (`sni` and six hexadecimal digits), for adoption by name and alias.
    public func ports() throws(NetlinkError) -> [(sni: SessionNetworkID, link: Link)] {
        try links().compactMap { link in Self.identifier(ofPort: link.name).map { ($0, link) } }
    }

    /// The identifier in a port's name, nil for other names.
    public static func identifier(ofPort name: String) -> SessionNetworkID? {
        guard name.hasPrefix("sni"), let number = UInt32(name.dropFirst(3), radix: 16),
            let sni = SessionNetworkID(number), name == "sni\(sni.hex)"
        else { return nil }
        return sni
    }

    /// Last step of a port that we made ourselves: a failure takes the port away again.
    private func finish(_ name: String, _ last: LinkChange) throws(NetlinkError) -> Int {
        do throws(NetlinkError) {
            return try finishOrFail(name, last)
        } catch {
            _ = try? deleteLink(named: name)
            throw error
        }
    }

    private func finishOrFail(_ name: String, _ last: LinkChange) throws(NetlinkError) -> Int {
        guard let index = try index(named: name) else {
            throw NetlinkError(operation: "read port", object: name, code: ENODEV)
        }
        // Raised by a message of its own: each property of a device that is up and has no carrier makes the kernel walk
        // all IPv6 routes of the namespace (rt6_sync_down_dev).
        var properties = last
        properties.isUp = nil
        let messages = try [properties, LinkChange(isUp: last.isUp)].map { (change) throws(NetlinkError) in
            try RouteMessage.link(index: index, current: name, change)
        }
        if let error = try batch(messages).min(by: { $0.key < $1.key })?.value { throw error }
        return index
    }
}

extension RouteMessage {
    static func veth(
        name: String, mac: MACAddress, peerName: String, peerNamespaceFD: Int32, peerMAC: MACAddress, mtu: Int
    ) throws(NetlinkError) -> RouteMessage {
        try unsafe RouteMessage("create port", name) { buffer, capacity in
            unsafe name.withCString { name in
                unsafe peerName.withCString { peerName in
                    var raw = unsafe outrider_veth()
                    unsafe raw.name = name
                    unsafe fill(&raw.mac, with: mac.bytes)
                    unsafe raw.mtu = UInt32(mtu)
                    unsafe raw.peer_name = peerName
                    unsafe fill(&raw.peer_mac, with: peerMAC.bytes)
                    unsafe raw.peer_ns_fd = peerNamespaceFD
                    return unsafe outrider_nl_veth_create(buffer, capacity, &raw)
                }
            }
        }
    }
}
