//! Orders segments so that each follows those that it reads, or finds the circle in which they read
//! each other.

use std::collections::VecDeque;

/// Orders `count` nodes by what each reads; ties keep their order.
///
/// # Errors
/// The nodes of one circle, in order, where there is one.
pub(crate) fn order(reads: &[Vec<usize>]) -> Result<Vec<usize>, Vec<usize>> {
    let count = reads.len();
    let mut readers = vec![Vec::new(); count];
    let mut missing: Vec<usize> = vec![0; count];
    for (node, read) in reads.iter().enumerate() {
        missing[node] = read.len();
        for other in read {
            readers[*other].push(node);
        }
    }
    let mut ready: VecDeque<usize> = (0..count).filter(|node| missing[*node] == 0).collect();
    let mut ordered = Vec::with_capacity(count);
    while let Some(node) = ready.pop_front() {
        ordered.push(node);
        for reader in &readers[node] {
            missing[*reader] -= 1;
            if missing[*reader] == 0 {
                ready.push_back(*reader);
            }
        }
    }
    if ordered.len() == count {
        return Ok(ordered);
    }
    Err(circle(reads, &missing))
}

/// Follows reads among the nodes that never became ready: each of them reads another one of them.
fn circle(reads: &[Vec<usize>], missing: &[usize]) -> Vec<usize> {
    let stuck = |node: &usize| missing[*node] > 0;
    let mut path: Vec<usize> = Vec::new();
    let mut next = (0..reads.len()).find(stuck);
    while let Some(node) = next {
        if let Some(start) = path.iter().position(|seen| *seen == node) {
            return path.split_off(start);
        }
        path.push(node);
        next = reads[node].iter().copied().find(stuck);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_comes_first() {
        assert_eq!(order(&[vec![2], vec![], vec![1]]), Ok(vec![1, 2, 0]));
        assert_eq!(order(&[]), Ok(vec![]));
    }

    #[test]
    fn a_circle_is_named() {
        assert_eq!(order(&[vec![0]]), Err(vec![0]));
        // 0 only leads into the circle of 1 and 2.
        assert_eq!(order(&[vec![1], vec![2], vec![1]]), Err(vec![1, 2]));
    }
}
