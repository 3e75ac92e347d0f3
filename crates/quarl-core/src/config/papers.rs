//! The papers that the settings cite.

/// A paper, book or lecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Paper {
    /// The citation in texts: `Mnih et al. 2015`.
    pub citation: &'static str,
    /// The title.
    pub title: &'static str,
    /// The address of the paper.
    pub url: &'static str,
}

const fn paper(citation: &'static str, title: &'static str, url: &'static str) -> Paper {
    Paper { citation, title, url }
}

/// All papers, by citation.
pub(crate) const PAPERS: &[Paper] = &[
    paper("Ba et al. 2016", "Layer normalization", "https://arxiv.org/abs/1607.06450"),
    paper(
        "Bellemare et al. 2017",
        "A distributional perspective on reinforcement learning",
        "https://arxiv.org/abs/1707.06887",
    ),
    paper(
        "Clevert et al. 2016",
        "Fast and accurate deep network learning by exponential linear units (ELUs)",
        "https://arxiv.org/abs/1511.07289",
    ),
    paper(
        "Dabney et al. 2018a",
        "Distributional reinforcement learning with quantile regression",
        "https://arxiv.org/abs/1710.10044",
    ),
    paper(
        "Dabney et al. 2018b",
        "Implicit quantile networks for distributional reinforcement learning",
        "https://arxiv.org/abs/1806.06923",
    ),
    paper("Dabney et al. 2021", "Temporally-extended epsilon-greedy exploration", "https://arxiv.org/abs/2006.01782"),
    paper("Fortunato et al. 2018", "Noisy networks for exploration", "https://arxiv.org/abs/1706.10295"),
    paper(
        "Fujimoto et al. 2018",
        "Addressing function approximation error in actor-critic methods",
        "https://arxiv.org/abs/1802.09477",
    ),
    paper("Graves 2013", "Generating sequences with recurrent neural networks", "https://arxiv.org/abs/1308.0850"),
    paper(
        "Hessel et al. 2018",
        "Rainbow: combining improvements in deep reinforcement learning",
        "https://arxiv.org/abs/1710.02298",
    ),
    paper("Kingma & Ba 2015", "Adam: a method for stochastic optimization", "https://arxiv.org/abs/1412.6980"),
    paper(
        "Lillicrap et al. 2016",
        "Continuous control with deep reinforcement learning",
        "https://arxiv.org/abs/1509.02971",
    ),
    paper(
        "Lin 1992",
        "Self-improving reactive agents based on reinforcement learning, planning and teaching",
        "https://doi.org/10.1007/BF00992699",
    ),
    paper(
        "Mnih et al. 2015",
        "Human-level control through deep reinforcement learning",
        "https://doi.org/10.1038/nature14236",
    ),
    paper("Pardo et al. 2018", "Time limits in reinforcement learning", "https://arxiv.org/abs/1712.00378"),
    paper(
        "Pascanu et al. 2013",
        "On the difficulty of training recurrent neural networks",
        "https://arxiv.org/abs/1211.5063",
    ),
    paper(
        "Salimans & Kingma 2016",
        "Weight normalization: a simple reparameterization to accelerate training of deep neural networks",
        "https://arxiv.org/abs/1602.07868",
    ),
    paper("Schaul et al. 2016", "Prioritized experience replay", "https://arxiv.org/abs/1511.05952"),
    paper(
        "Sutskever et al. 2013",
        "On the importance of initialization and momentum in deep learning",
        "https://proceedings.mlr.press/v28/sutskever13.html",
    ),
    paper(
        "Sutton 1988",
        "Learning to predict by the methods of temporal differences",
        "https://doi.org/10.1007/BF00115009",
    ),
    paper(
        "Sutton & Barto 2018",
        "Reinforcement learning: an introduction, second edition",
        "http://incompleteideas.net/book/the-book-2nd.html",
    ),
    paper(
        "Tieleman & Hinton 2012",
        "Lecture 6.5, RMSProp, of Neural networks for machine learning",
        "https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf",
    ),
    paper(
        "van Hasselt et al. 2016",
        "Deep reinforcement learning with double Q-learning",
        "https://arxiv.org/abs/1509.06461",
    ),
    paper("Vieillard et al. 2020", "Munchausen reinforcement learning", "https://arxiv.org/abs/2007.14430"),
    paper(
        "Wang et al. 2016",
        "Dueling network architectures for deep reinforcement learning",
        "https://arxiv.org/abs/1511.06581",
    ),
];
