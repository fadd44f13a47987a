//! Physical CPU numbers: which vCPU an interrupt or IPI addressed to CSR.CPUID
//! `n` reaches (Linux arch/loongarch/kvm/vcpu.c kvm_set_cpuid,
//! kvm_drop_cpuid, kvm_get_vcpu_by_cpuid).

/// Numbers are below this (Linux KVM_MAX_PHYID); a vCPU that has none reads it
/// as its CPUID.
pub const MAX_PHYS_ID: usize = 256;

/// Why a number was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhysIdError {
    /// Not below [`MAX_PHYS_ID`].
    OutOfRange,
    /// The vCPU has another number, which it keeps for life.
    Changed,
    /// Another vCPU has it.
    Taken,
}

impl PhysIdError {
    /// EINVAL, always.
    pub fn errno(self) -> i32 {
        22
    }
}

/// The map of a VM. `V` names a vCPU: its index or its pointer. The VM's
/// phys-id lock protects it; interrupt delivery looks numbers up, so it must be
/// an interrupt-safe lock or RCU.
#[derive(Clone, Debug)]
pub struct PhysIdMap<V> {
    vcpus: [Option<V>; MAX_PHYS_ID],
}

impl<V: Copy + PartialEq> Default for PhysIdMap<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V: Copy + PartialEq> PhysIdMap<V> {
    /// An empty map.
    pub const fn new() -> Self {
        Self {
            vcpus: [None; MAX_PHYS_ID],
        }
    }

    /// Gives `vcpu` the number `id`; doing so again is no error.
    ///
    /// # Errors
    ///
    /// [`PhysIdError`]; nothing has changed then.
    pub fn set(&mut self, vcpu: V, id: u64) -> Result<(), PhysIdError> {
        let index = usize::try_from(id).map_err(|_| PhysIdError::OutOfRange)?;
        let slot = self.vcpus.get(index).ok_or(PhysIdError::OutOfRange)?;
        if *slot == Some(vcpu) {
            return Ok(());
        }
        if slot.is_some() {
            return Err(PhysIdError::Taken);
        }
        if self.id_of(vcpu).is_some() {
            return Err(PhysIdError::Changed);
        }
        if let Some(slot) = self.vcpus.get_mut(index) {
            *slot = Some(vcpu);
        }
        Ok(())
    }

    /// Forgets a vCPU that is being destroyed.
    pub fn remove(&mut self, vcpu: V) {
        for slot in &mut self.vcpus {
            if *slot == Some(vcpu) {
                *slot = None;
            }
        }
    }

    /// The vCPU that has `id`; None for any `id` out of range.
    pub fn get(&self, id: u64) -> Option<V> {
        let index = usize::try_from(id).ok()?;
        *self.vcpus.get(index)?
    }

    /// The number of `vcpu`.
    pub fn id_of(&self, vcpu: V) -> Option<u64> {
        let index = self.vcpus.iter().position(|slot| *slot == Some(vcpu))?;
        Some(index as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_belongs_to_one_vcpu_for_life() {
        let mut map = PhysIdMap::default();
        assert_eq!(map.set(0u16, 255), Ok(()));
        assert_eq!(map.set(0, 255), Ok(()));
        assert_eq!(map.set(0, 254), Err(PhysIdError::Changed));
        assert_eq!(map.set(1, 255), Err(PhysIdError::Taken));
        assert_eq!(map.set(1, 256), Err(PhysIdError::OutOfRange));
        assert_eq!(map.set(1, u64::MAX), Err(PhysIdError::OutOfRange));
        assert_eq!(map.set(1, 0), Ok(()));
        assert_eq!((map.get(255), map.get(0)), (Some(0), Some(1)));
        assert_eq!(
            (map.get(7), map.get(256), map.get(u64::MAX)),
            (None, None, None)
        );
        assert_eq!((map.id_of(0), map.id_of(9)), (Some(255), None));
        assert_eq!(PhysIdError::Taken.errno(), 22);
    }

    #[test]
    fn a_removed_vcpu_frees_its_number() {
        let mut map = PhysIdMap::default();
        map.set(3u16, 4).unwrap();
        map.remove(3);
        assert_eq!(map.get(4), None);
        assert_eq!(map.set(5, 4), Ok(()));
        assert_eq!(map.set(3, 6), Ok(()));
    }
}
